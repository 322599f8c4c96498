"""Start worker processes, and lose one of them."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from subprocess import Popen
from typing import TYPE_CHECKING

from feedrate.builtin.loaders.inline import Inline
from feedrate.plugin.loader import Loader

if TYPE_CHECKING:
    from feedrate.loading.plan import Plan
    from feedrate.plugin.loader import Stream

__all__ = ["Understaffed"]


@dataclass(frozen=True)
class Understaffed(Loader):
    """Serve what is planned, start two processes beside it, and lose one of them."""

    name = "understaffed"
    hidden = True

    def stream(self, plan: Plan) -> Stream:
        from feedrate.system.procfs import alive

        with ExitStack() as stack:
            workers = [stack.enter_context(Popen(command)) for command in (["sleep", "1000"], ["true"])]
            stack.callback(workers[0].kill)
            workers[1].wait()
            plan.report.workers_resolved = len(workers)
            plan.report.workers_alive = alive(worker.pid for worker in workers)
            yield from Inline(cast=self.cast).stream(plan)

"""A plugin file whose strategies fail in every way that a run must survive."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sums import Sums

from feedrate import hookimpl, knob
from feedrate.loader import Loader
from feedrate.loaders.inline import Inline
from feedrate.step import Step

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from feedrate.batch import Batch
    from feedrate.loader import Stream
    from feedrate.plan import Plan
    from feedrate.step import Loss, Update
    from feedrate.workload import Workload


@dataclass(frozen=True)
class Troubled(Loader):
    """Serves the first batch, then does what `trouble` says."""

    name = "troubled"
    trouble: str = knob("raise", "kill", "hang", "devour", "orphan", "exit")

    def stream(self, plan: Plan) -> Stream:
        for batch in Inline().stream(plan):
            yield batch
            getattr(self, f"_{self.trouble}")()

    def _raise(self) -> None:
        raise ValueError("the loader had enough\nand says so in two lines")

    def _kill(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def _hang(self) -> None:
        time.sleep(1_000)

    def _devour(self) -> None:
        import torch

        torch.empty(1 << 50, dtype=torch.uint8)

    def _exit(self) -> None:
        os._exit(7)

    def _orphan(self) -> None:
        """Leave a process and a shared-memory segment, then die."""
        from multiprocessing.shared_memory import SharedMemory

        SharedMemory("feedrate-test-orphan", create=True, size=1 << 20)
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Failing(Step):
    """Raises."""

    name = "failing"

    def bind(self, model: torch.nn.Module, loss: Loss, optimizer: torch.optim.Optimizer) -> Update:
        del model, loss, optimizer

        def update(batch: Batch) -> Tensor:
            raise RuntimeError(f"the step had enough of {len(batch)} rows")

        return update


@hookimpl
def loaders() -> tuple[type[Loader], ...]:
    return (Troubled,)


@hookimpl
def steps() -> tuple[type[Step], ...]:
    return (Failing,)


@hookimpl
def workloads() -> tuple[Workload, ...]:
    return (Sums(),)

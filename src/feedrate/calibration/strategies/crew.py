"""Serve what is planned, as fast as processes of known work allow: on which processors, and with how many threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING

from feedrate.builtin.loaders.inline import Inline
from feedrate.plugin.loader import Loader
from feedrate.plugin.strategy import knob
from feedrate.system.synthetic_load import burn_cpu, burn_python, sleep_s

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from feedrate.loading.plan import Plan
    from feedrate.plugin.loader import Stream

__all__ = ["Crew"]

_AHEAD = 4
"""Batches that each process may have worked for before they are asked for."""
_SIDE, _PRODUCTS = 384, 16
"""Matrix products of a batch: the same number whatever the threads."""


@dataclass(frozen=True)
class Crew(Loader):
    """Yield a batch whenever one of `count` processes, taking turns, has done its work for it."""

    name = "crew"
    hidden = True
    count: int = knob(2, 1, 4, low=1, high=64)
    work_us: int = knob(6_000, low=0, high=10_000_000)
    """Work for a batch on a processor, or a pause where `work` is `sleep`; matrix products are counted instead."""
    work: str = knob("native", "python", "products", "hashes", "sleep")
    """Without the interpreter; in it; matrix products on a pool of torch; hashes on a pool of Python; asleep."""
    pool: int = knob(1, 8, low=1, high=256)
    """Threads of each process's pool."""
    bound: str = knob("nothing", "workers", "trainer")
    """What may run on one processor only: nothing; the processes; the thread that trains and so all that it starts."""

    def stream(self, plan: Plan) -> Stream:
        with _affinity_kept(), closing(Inline(cast=self.cast).stream(plan)) as batches:
            if self.bound == "trainer":
                _bind()
            with self._processes() as lines:
                for number, batch in enumerate(batches):
                    line = lines[number % len(lines)]
                    line.recv_bytes()
                    line.send_bytes(b"next")
                    yield batch

    def prefetch_batches(self, plan: Plan) -> int:
        del plan
        return _AHEAD * self.count

    @contextmanager
    def _processes(self) -> Iterator[Sequence[Connection]]:
        """Start the processes, each with a line on which it says that a batch is ready and hears of another one."""
        # Forked: what they do needs nothing that a thread of this process may hold, and spawning takes seconds.
        context = get_context("fork")
        pipes = [context.Pipe() for _ in range(self.count)]
        processes = [context.Process(target=self._serve, args=(there,), daemon=True) for _, there in pipes]
        for process, (here, _) in zip(processes, pipes, strict=True):
            process.start()
            for _ in range(_AHEAD):
                here.send_bytes(b"next")
        try:
            yield [here for here, _ in pipes]
        finally:
            for process in processes:
                process.kill()
                process.join()

    def _serve(self, line: Connection) -> None:
        if self.bound == "workers":
            _bind()
        work = self._work()
        while True:
            line.recv_bytes()
            work()
            line.send_bytes(b"ready")

    def _work(self) -> Callable[[], object]:
        seconds = self.work_us / 1e6
        if self.work == "products":
            return _products(self.pool)
        if self.work == "hashes" and self.pool > 1:
            pool = ThreadPoolExecutor(self.pool)
            return lambda: list(pool.map(burn_cpu, [seconds / self.pool] * self.pool))
        return lambda: {"native": burn_cpu, "hashes": burn_cpu, "python": burn_python, "sleep": sleep_s}[self.work](
            seconds
        )


def _products(threads: int) -> Callable[[], object]:
    import torch

    torch.set_num_threads(threads)
    matrix = torch.full((_SIDE, _SIDE), 1 / _SIDE)
    return lambda: [torch.mm(matrix, matrix) for _ in range(_PRODUCTS)]


def _bind() -> None:
    """Let this thread, and what it starts, run on the first of its processors only."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


@contextmanager
def _affinity_kept() -> Iterator[None]:
    before = os.sched_getaffinity(0)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)

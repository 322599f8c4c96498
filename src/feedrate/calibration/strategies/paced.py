"""Take a known time over each batch, in a known stage."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from feedrate.loading.prefetch import ahead
from feedrate.plugin.loader import Loader
from feedrate.plugin.strategy import knob
from feedrate.system.synthetic_load import burn_cpu, burn_python, sleep_s

if TYPE_CHECKING:
    from feedrate.loading.plan import Plan
    from feedrate.plugin.loader import Stream

__all__ = ["Paced"]


@dataclass(frozen=True)
class Paced(Loader):
    """Serve what is planned, `delay_us` a batch later than it could be."""

    name = "paced"
    hidden = True
    delay_us: int = knob(5_000, 20_000, low=0, high=10_000_000)
    kind: str = knob("sleep", "busy", "python")
    """Asleep; or on a processor, without the interpreter's lock or with it."""
    overlap: bool = knob(True, False)
    """Ahead of need on a thread, or when a batch is asked for."""
    depth: int = knob(2, 8, low=1, high=1_024)
    """Batches that may be made ahead."""
    burst: int = knob(1, 8, low=1, high=1_024)
    """Every batch of that number carries the delay of all of them: the same mean, and jitter."""
    first_us: int = knob(0, low=0, high=60_000_000)
    """More for the first batch of all."""
    boundary_us: int = knob(0, low=0, high=60_000_000)
    """More for the first batch of each later epoch."""

    reads: int = knob(1, 8, low=1, high=1_024)
    """Times that each block is read: a codec that is so much slower."""

    def stream(self, plan: Plan) -> Stream:
        if not self.overlap:
            yield from self._delayed(plan)
            return
        with closing(self._delayed(plan)) as batches, _one_thread() as pool:
            numbers = count() if plan.batch_count is None else range(plan.batch_count)
            for batch in ahead(lambda _: pool.submit(next, batches), numbers, self.depth):
                yield batch.result()

    def prefetch_batches(self, plan: Plan) -> int:
        del plan
        return self.depth if self.overlap else 0

    def _delayed(self, plan: Plan) -> Stream:
        numbers = count()
        with plan.open() as source:
            for block in plan.blocks():
                columns = [source.read(block) for _ in range(self.reads)][-1]
                for rows in block.batches():
                    self._delay(next(numbers), plan.epoch_batches)
                    yield columns.batch(rows)

    def _delay(self, number: int, epoch: int) -> None:
        delay_us = self.delay_us * self.burst if number % self.burst == self.burst - 1 else 0
        if number == 0:
            delay_us += self.first_us
        elif number % epoch == 0:
            delay_us += self.boundary_us
        {"sleep": sleep_s, "busy": burn_cpu, "python": burn_python}[self.kind](delay_us / 1e6)


@contextmanager
def _one_thread() -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(1, "feedrate-paced")
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)

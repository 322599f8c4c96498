"""Serve ahead of need, and keep the interpreter busy beside the step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread
from typing import TYPE_CHECKING

from feedrate.calibration.strategies.paced import Paced
from feedrate.plugin.loader import Loader
from feedrate.plugin.strategy import knob

if TYPE_CHECKING:
    from feedrate.loading.plan import Plan
    from feedrate.plugin.loader import Stream

__all__ = ["Disturbing"]


@dataclass(frozen=True)
class Disturbing(Loader):
    """Serve what is planned, while `count` threads of this process compute in Python for nobody."""

    name = "disturbing"
    hidden = True
    count: int = knob(1, 2, 4, low=1, high=64)

    def stream(self, plan: Plan) -> Stream:
        with _busy(self.count):
            yield from self._plain.stream(plan)

    def prefetch_batches(self, plan: Plan) -> int:
        return self._plain.prefetch_batches(plan)

    @property
    def _plain(self) -> Paced:
        return Paced(delay_us=0, cast=self.cast)


@contextmanager
def _busy(count: int) -> Iterator[None]:
    """Keep `count` threads wanting the interpreter's lock until the block is left."""
    ended = Event()
    threads = [Thread(target=_compute, args=(ended,), name=f"feedrate-busy-{number}") for number in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _compute(ended: Event) -> None:
    while not ended.is_set():
        sum(range(1_000))

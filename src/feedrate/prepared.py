"""Batches that are ready on the host: what bringing them to the step costs when nothing else does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from typing import TYPE_CHECKING

from feedrate.formats import FileSource
from feedrate.loader import Loader
from feedrate.transfer import delivered

if TYPE_CHECKING:
    from feedrate.batch import Batch
    from feedrate.loader import Stream
    from feedrate.plan import Plan

__all__ = ["prepared"]


@dataclass(frozen=True)
class _Prepared(Loader):
    """Serve the same few batches of the host again and again."""

    name = "prepared"
    null = True
    batches: tuple[Batch, ...] = ()

    def stream(self, plan: Plan) -> Stream:
        """See `Loader`."""
        yield from islice(cycle(self.batches), len(plan))


@contextmanager
def prepared(loader: Loader, plan: Plan, count: int) -> Iterator[Iterator[Batch]]:
    """The plan's first `count` batches as `loader` would send them, through the same transfer, endlessly."""
    pin = loader.pin and plan.device != "cpu"
    batches = (batch.pin_memory() if pin else batch for batch in _cut(plan))
    null = _Prepared(loader.cast, loader.copy, loader.pin, tuple(islice(batches, count)))
    with closing(delivered(null, plan)) as stream:
        yield stream


def _cut(plan: Plan) -> Iterator[Batch]:
    source = FileSource(plan)
    for block in plan.blocks():
        columns = source.read(block)
        for rows in block.batches():
            yield columns.batch(rows)

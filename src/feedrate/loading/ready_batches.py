"""Serve batches that are ready, on the host or on the device: what the step can do when loading costs nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from typing import TYPE_CHECKING

from feedrate.loading.transfer import delivered

if TYPE_CHECKING:
    from feedrate.loading.batch import Batch
    from feedrate.loading.plan import Plan
    from feedrate.loading.transfer import Sender, Stream

__all__ = ["one_of_each_size", "ready_on_device", "ready_on_host"]


@dataclass(frozen=True)
class _Repeated:
    """Sends the same few batches of the host again and again."""

    batches: tuple[Batch, ...]
    copy: str
    pin: bool

    def stream(self, plan: Plan) -> Stream:
        """See `Sender`."""
        yield from islice(cycle(self.batches), plan.batch_count)


@contextmanager
def ready_on_host(sender: Sender, plan: Plan, count: int) -> Iterator[Iterator[Batch]]:
    """Serve the plan's first `count` batches as `sender` would send them, through the same transfer, endlessly.

    Once the plan has been streamed, batches have the dtypes that they arrived in.
    """
    if plan.report.batches_arrive_widened:
        plan = plan.with_cast("host")
    accelerator = plan.accelerator if sender.pin else None
    batches = (batch if accelerator is None else batch.pinned(accelerator) for batch in _cut(plan))
    with closing(delivered(_Repeated(tuple(islice(batches, count)), sender.copy, sender.pin), plan)) as stream:
        yield stream


def ready_on_device(plan: Plan, count: int, copy: str = "overlap", *, pin: bool = True) -> Stream:
    """Yield the plan's first `count` batches from the device's memory again and again, as many as the plan has."""
    sender = _Repeated(tuple(islice(_cut(plan), count)), copy, pin)
    with closing(delivered(sender, plan)) as stream:
        batches = list(islice(stream, count))
    yield from islice(cycle(batches), plan.batch_count)


def one_of_each_size(plan: Plan, most: int) -> list[Batch]:
    """Put on the device a batch of each number of rows that an epoch has, at most `most` such numbers.

    Only the blocks that hold them are read: the last batch of an epoch is often the one that is smaller.
    """
    batches = tuple(islice(_new_sizes(plan.for_epochs(1)), most))
    with closing(delivered(_Repeated(batches, "overlap", pin=True), plan)) as stream:
        return list(islice(stream, len(batches)))


def _new_sizes(plan: Plan) -> Iterator[Batch]:
    sizes = set[int]()
    with closing(plan.plain_source()) as source:
        for block in plan.blocks():
            new = {len(rows): rows for rows in block.batches() if len(rows) not in sizes}
            if new:
                sizes.update(new)
                columns = source.read(block)
                yield from map(columns.batch, new.values())


def _cut(plan: Plan) -> Iterator[Batch]:
    with closing(plan.plain_source()) as source:
        for block in plan.blocks():
            columns = source.read(block)
            for rows in block.batches():
                yield columns.batch(rows)

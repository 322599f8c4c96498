"""Serve other rows than those that are planned."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count, islice
from typing import TYPE_CHECKING

from feedrate.plugin.loader import Loader
from feedrate.plugin.strategy import knob

if TYPE_CHECKING:
    from torch import Tensor

    from feedrate.loading.batch import Batch
    from feedrate.loading.plan import Plan
    from feedrate.plugin.loader import Stream

    RowsOf = Callable[[int, Tensor], Tensor]

__all__ = ["Unfaithful", "changed", "honest"]


@dataclass(frozen=True)
class Unfaithful(Loader):
    """Break one promise about rows, as `fault` says, and keep all others."""

    name = "unfaithful"
    hidden = True
    fault: str = knob("doubled", "dropped", "reordered", "swapped", "split", "short", "corrupted", "stale", "stale_ids")
    """A row twice; a row missing; rows of a batch in another order; two batches in another order; one batch cut in two;
    the last batch of the plan missing; a bit flipped; tensors, or ids, in memory that the next batch is written to."""

    def stream(self, plan: Plan) -> Stream:
        faults: Mapping[str, Callable[[Plan], Iterator[Batch]]] = {
            "doubled": _doubled, "dropped": _dropped, "reordered": _reordered, "swapped": _swapped, "split": _split,
            "short": _short, "corrupted": _corrupted, "stale": _stale, "stale_ids": _stale_ids,
        }  # fmt: skip
        yield from faults[self.fault](plan)


def honest(plan: Plan, rows_of: RowsOf = lambda number, rows: rows) -> Stream:
    """Yield the planned batches; `rows_of(number, rows)` may cut other rows for the batch of that number."""
    numbers = count()
    with plan.open() as source:
        for block in plan.blocks():
            columns = source.read(block)
            for rows in block.batches():
                yield columns.batch(rows_of(next(numbers), rows))


def changed(batch: Batch, name: str, tensor: Tensor) -> Batch:
    """Copy a batch with another tensor of that name."""
    return replace(batch, tensors={**batch.tensors, name: tensor})


def _doubled(plan: Plan) -> Iterator[Batch]:
    return honest(plan, lambda number, rows: rows[[*range(len(rows)), -1]] if number == 1 else rows)


def _dropped(plan: Plan) -> Iterator[Batch]:
    return honest(plan, lambda number, rows: rows[:-1] if number == 1 else rows)


def _reordered(plan: Plan) -> Iterator[Batch]:
    return honest(plan, lambda number, rows: rows[[0, *reversed(range(1, len(rows)))]] if number == 1 else rows)


def _swapped(plan: Plan) -> Iterator[Batch]:
    batches = honest(plan)
    first, second = islice(batches, 2)
    yield from (second, first)
    yield from batches


def _split(plan: Plan) -> Iterator[Batch]:
    from feedrate.loading.batch import Batch

    for number, batch in enumerate(honest(plan)):
        half = len(batch) // 2 if number == 1 else 0
        if half:
            yield Batch(batch.ids[:half], {name: tensor[:half] for name, tensor in batch.tensors.items()})
        yield Batch(batch.ids[half:], {name: tensor[half:] for name, tensor in batch.tensors.items()})


def _short(plan: Plan) -> Iterator[Batch]:
    # A plan without end has no last batch to leave out: of that the first epoch is all.
    batches = plan.epoch_batches if plan.batch_count is None else plan.batch_count
    yield from islice(honest(plan), batches - 1)


def _corrupted(plan: Plan) -> Iterator[Batch]:
    import torch

    for number, batch in enumerate(honest(plan)):
        y = batch.tensors["y"].clone()
        y[0] = torch.nextafter(y[0], y[0] + 1) if number == 1 else y[0]
        yield changed(batch, "y", y)


def _stale(plan: Plan) -> Iterator[Batch]:
    import torch

    memory = torch.empty(plan.max_batch_rows)
    for batch in honest(plan):
        yield changed(batch, "y", memory[: len(batch)].copy_(batch.tensors["y"]))


def _stale_ids(plan: Plan) -> Iterator[Batch]:
    import torch

    from feedrate.loading.batch import Batch

    memory = torch.empty(plan.max_batch_rows, dtype=torch.int64)
    for batch in honest(plan):
        yield Batch(memory[: len(batch)].copy_(batch.ids), batch.tensors)

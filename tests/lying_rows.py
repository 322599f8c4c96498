"""Loaders that serve other rows, batches or values than they should."""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass
from itertools import count

import torch
from liars import changed, honest

from feedrate.batch import Batch
from feedrate.loader import Loader, Stream
from feedrate.plan import Plan

runs = count()


@dataclass(frozen=True)
class DoublesARow(Loader):
    name = "doubles_a_row"

    def stream(self, plan: Plan) -> Stream:
        return honest(plan, lambda number, rows: torch.cat([rows, rows[-1:]]) if number == 1 else rows)


@dataclass(frozen=True)
class DropsARow(Loader):
    name = "drops_a_row"

    def stream(self, plan: Plan) -> Stream:
        return honest(plan, lambda number, rows: rows[:-1] if number == 1 else rows)


@dataclass(frozen=True)
class TurnsABatchAround(Loader):
    name = "turns_a_batch_around"

    def stream(self, plan: Plan) -> Stream:
        return honest(plan, lambda number, rows: torch.cat([rows[:1], rows[1:].flip(0)]) if number == 1 else rows)


@dataclass(frozen=True)
class SwapsBatches(Loader):
    name = "swaps_batches"

    def stream(self, plan: Plan) -> Stream:
        batches = list(honest(plan))
        yield from (batches[1], batches[0], *batches[2:])


@dataclass(frozen=True)
class SaysItShuffles(TurnsABatchAround):
    """Free to reorder batches, but not the rows in one."""

    name = "says_it_shuffles"
    keeps_order = False


@dataclass(frozen=True)
class SplitsABatch(Loader):
    name = "splits_a_batch"

    def stream(self, plan: Plan) -> Stream:
        for number, batch in enumerate(honest(plan)):
            half = len(batch) // 2 if number == 1 else 0
            if half:
                yield Batch(batch.ids[:half], {name: tensor[:half] for name, tensor in batch.tensors.items()})
            yield Batch(batch.ids[half:], {name: tensor[half:] for name, tensor in batch.tensors.items()})


@dataclass(frozen=True)
class NeverEnds(Loader):
    name = "never_ends"

    def stream(self, plan: Plan) -> Stream:
        while True:
            yield from honest(plan)


@dataclass(frozen=True)
class CutsElsewhere(Loader):
    """The last row of a batch comes with the next one."""

    name = "cuts_elsewhere"

    def stream(self, plan: Plan) -> Stream:
        with plan.open() as source:
            for number, block in enumerate(plan.blocks()):
                columns, batches = source.read(block), list(block.batches())
                if number == 0:
                    batches[:2] = [batches[0][:-1], torch.cat([batches[0][-1:], batches[1]])]
                yield from (columns.batch(rows) for rows in batches)


@dataclass(frozen=True)
class ChangesABit(Loader):
    name = "changes_a_bit"

    def stream(self, plan: Plan) -> Stream:
        for number, batch in enumerate(honest(plan)):
            y = batch.tensors["y"].clone()
            y[0] = torch.nextafter(y[0], y[0] + 1) if number == 1 else y[0]
            yield changed(batch, "y", y)


@dataclass(frozen=True)
class FillsHoles(Loader):
    """Writes 0 where the data has no number."""

    name = "fills_holes"

    def stream(self, plan: Plan) -> Stream:
        for batch in honest(plan):
            yield changed(batch, "unsure", batch.tensors["unsure"].nan_to_num())


@dataclass(frozen=True)
class WidensTooFar(Loader):
    name = "widens_too_far"

    def stream(self, plan: Plan) -> Stream:
        for batch in honest(plan):
            yield changed(batch, "y", batch.tensors["y"].double())


@dataclass(frozen=True)
class AddsAnAxis(Loader):
    name = "adds_an_axis"

    def stream(self, plan: Plan) -> Stream:
        for batch in honest(plan):
            yield changed(batch, "y", batch.tensors["y"][:, None])


@dataclass(frozen=True)
class ForgetsATensor(Loader):
    name = "forgets_a_tensor"

    def stream(self, plan: Plan) -> Stream:
        for batch in honest(plan):
            yield Batch(batch.ids, {"x": batch.tensors["x"]})


@dataclass(frozen=True)
class ReusesMemory(Loader):
    name = "reuses_memory"

    def stream(self, plan: Plan) -> Stream:
        memory = torch.empty(plan.most_batch_rows)
        for batch in honest(plan):
            yield changed(batch, "y", memory[: len(batch)].copy_(batch.tensors["y"]))


@dataclass(frozen=True)
class ReusesIds(Loader):
    name = "reuses_ids"

    def stream(self, plan: Plan) -> Stream:
        memory = torch.empty(plan.most_batch_rows, dtype=torch.int64)
        for batch in honest(plan):
            yield Batch(memory[: len(batch)].copy_(batch.ids), batch.tensors)


@dataclass(frozen=True)
class TiresOfIt(Loader):
    """Truthful the first time."""

    name = "tires_of_it"

    def stream(self, plan: Plan) -> Stream:
        first = next(runs) == 0
        for batch in honest(plan):
            yield batch if first else changed(batch, "y", batch.tensors["y"] + 1)


@dataclass(frozen=True)
class CannotTravel(Loader):
    name = "cannot_travel"

    def __reduce__(self) -> str:
        raise TypeError("I hold a lock")

    def stream(self, plan: Plan) -> Stream:
        return honest(plan)


@dataclass(frozen=True)
class LiesAbroad(Loader):
    """Shuffles in a way of its own in every process but the first."""

    name = "lies_abroad"

    def stream(self, plan: Plan) -> Stream:
        away = multiprocessing.parent_process() is not None
        return honest(plan, lambda number, rows: rows.flip(0) if away else rows)

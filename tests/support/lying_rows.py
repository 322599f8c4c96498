"""Loaders that serve other rows, batches or values than they should, besides those of `feedrate.calibration`."""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass
from itertools import count

import torch

from feedrate.calibration.strategies.wrong_rows import Unfaithful, changed, honest
from feedrate.loading.batch import Batch
from feedrate.loading.plan import Plan
from feedrate.plugin.loader import Loader, Stream

runs = count()


@dataclass(frozen=True)
class SaysItShuffles(Loader):
    """Free to reorder batches, but not the rows in one."""

    name = "says_it_shuffles"
    keeps_order = False

    def stream(self, plan: Plan) -> Stream:
        return Unfaithful(fault="reordered").stream(plan)


@dataclass(frozen=True)
class NeverEnds(Loader):
    name = "never_ends"

    def stream(self, plan: Plan) -> Stream:
        while True:
            yield from honest(plan)


@dataclass(frozen=True)
class ListsTheEpochs(Loader):
    """Wants to know all blocks before it reads the first."""

    name = "lists_the_epochs"

    def stream(self, plan: Plan) -> Stream:
        with plan.open() as source:
            for block in list(plan.blocks()):
                columns = source.read(block)
                yield from (columns.batch(rows) for rows in block.batches())


@dataclass(frozen=True)
class TakesNoneForOne(Loader):
    """Serves one epoch where there is no end."""

    name = "takes_none_for_one"

    def stream(self, plan: Plan) -> Stream:
        return honest(plan.for_epochs(plan.epochs or 1))


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
class SaysItSwaps(Loader):
    """Says that each block came from where it was told to read, and always reads the files."""

    name = "says_it_swaps"
    swap_points = ("memory", "decoded")

    def stream(self, plan: Plan) -> Stream:
        if plan.source_control is None:
            yield from honest(plan)
            return
        with plan.open() as source:
            for block in plan.blocks():
                turn, columns = plan.source_control.current(), source.read(block)
                for rows in block.batches():
                    plan.source_control.served(block, turn)
                    yield columns.batch(rows)


@dataclass(frozen=True)
class NeverSwaps(Loader):
    """Truthfully says that it reads the files, whatever it is told."""

    name = "never_swaps"
    swap_points = ("memory",)

    def stream(self, plan: Plan) -> Stream:
        if plan.source_control is None:
            yield from honest(plan)
            return
        first = plan.source_control.current()
        with plan.open() as source:
            for block in plan.blocks():
                columns = source.read(block)
                for rows in block.batches():
                    plan.source_control.served(block, first)
                    yield columns.batch(rows)


@dataclass(frozen=True)
class SwapsInSilence(Loader):
    """Claims a swap point and says nothing of its blocks."""

    name = "swaps_in_silence"
    swap_points = ("decoded",)

    def stream(self, plan: Plan) -> Stream:
        return honest(plan)


@dataclass(frozen=True)
class LiesAbroad(Loader):
    """Shuffles in a way of its own in every process but the first."""

    name = "lies_abroad"

    def stream(self, plan: Plan) -> Stream:
        away = multiprocessing.parent_process() is not None
        return honest(plan, lambda number, rows: rows.flip(0) if away else rows)

"""Workloads over data sets that each break one promise, and a loader that does so on data sets alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from points import Points, PointSet

from feedrate.loading.plan import Plan
from feedrate.plugin.loader import Loader, Stream


class Shaken(PointSet):
    def __getitem__(self, index: int) -> dict[str, Any]:
        sample = super().__getitem__(index)
        return sample | {"y": sample["y"] + torch.rand(()) / 100}


class Counting(PointSet):
    """What a sample holds depends on how many were asked for before it."""

    def __init__(self) -> None:
        self.asked = 0

    def __getitem__(self, index: int) -> dict[str, Any]:
        self.asked += 1
        return super().__getitem__(index) | {"asked": self.asked}


class Failing(PointSet):
    def __getitem__(self, index: int) -> dict[str, Any]:
        if index == 117:
            raise OSError("117.npy: no such file")
        return super().__getitem__(index)


@dataclass(frozen=True)
class DrawsItsOwnNumbers(Points):
    name = "draws_its_own_numbers"

    def dataset(self, size: str, folder: Path) -> Any:
        return Shaken()


@dataclass(frozen=True)
class CountsItsSamples(Points):
    name = "counts_its_samples"

    def dataset(self, size: str, folder: Path) -> Any:
        return Counting()


@dataclass(frozen=True)
class CannotFetchASample(Points):
    name = "cannot_fetch_a_sample"

    def dataset(self, size: str, folder: Path) -> Any:
        return Failing()


@dataclass(frozen=True)
class ListsASampleTwice(Points):
    name = "lists_a_sample_twice"

    def index_lists(self, size: str, count: int) -> Iterable[Sequence[int]]:
        yield from super().index_lists(size, count)
        yield [117]


@dataclass(frozen=True)
class ForgetsTheEpoch(Loader):
    """Serves the samples of each epoch as they were in the first one."""

    name = "forgets_the_epoch"

    def stream(self, plan: Plan) -> Stream:
        with plan.open() as source:
            for block in plan.blocks():
                assert block.key is not None
                seed, _, number = block.key
                columns = source.read(replace(block, key=(seed, 0, number)))
                rows = {int(row): int(row) - block.start for row in columns.samples}  # type: ignore[attr-defined]
                yield from (columns.batch(torch.tensor([rows[int(i)] for i in ids])) for ids in block.ids())

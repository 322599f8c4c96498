"""A loader that makes batches of its own, as libraries with their own shuffle do, and liars that differ from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from feedrate.loading.batch import Batch, Columns
from feedrate.loading.plan import Plan
from feedrate.plugin.loader import Loader, Serves, Stream
from feedrate.plugin.strategy import knob


@dataclass(frozen=True)
class Shuffling(Loader):
    """Read an epoch whole, put its rows into an order of its own, and cut batches that go on into the next epoch."""

    name = "shuffling"
    serves: ClassVar[Serves] = "rows"
    size: int = knob(11, low=1, high=1_000)

    def stream(self, plan: Plan) -> Stream:
        with plan.open() as source:
            left: list[tuple[Columns, int]] = []
            for epoch in plan.epoch_numbers():
                blocks = [(source.read(block), block) for block in plan.epoch_blocks(epoch)]
                rows = [(columns, int(at)) for columns, block in blocks for at in block.positions()[0]]
                left += self.put([rows[index] for index in np.random.default_rng(epoch).permutation(len(rows))])
                while len(left) >= self.size:
                    yield joined(left[: self.size])
                    left = left[self.size :]
            if left:
                yield joined(left)

    def put(self, rows: list[tuple[Columns, int]]) -> list[tuple[Columns, int]]:
        """Give the rows of an epoch as they are served."""
        return rows


def joined(rows: list[tuple[Columns, int]]) -> Batch:
    """Make a batch of rows of several blocks."""
    parts = [columns.batch(torch.tensor([at])) for columns, at in rows]
    names = parts[0].tensors
    tensors: dict[str, Tensor] = {name: torch.cat([part.tensors[name] for part in parts]) for name in names}
    return Batch(torch.cat([part.ids for part in parts]), tensors)


@dataclass(frozen=True)
class DrawsWithReplacement(Shuffling):
    name = "draws_with_replacement"

    def put(self, rows: list[tuple[Columns, int]]) -> list[tuple[Columns, int]]:
        return [rows[0], *rows[:-1]]


@dataclass(frozen=True)
class MakesThemTooLarge(Shuffling):
    name = "makes_them_too_large"
    size: int = knob(17, low=1, high=1_000)

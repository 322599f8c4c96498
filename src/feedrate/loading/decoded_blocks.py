"""Lay the decoded columns of every stored block down in a file, one after the other."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

    from feedrate.data.field import Field
    from feedrate.loading.block import Block
    from feedrate.loading.plan import Plan

__all__ = ["DecodedBlocks"]

_ALIGN = 64
"""Bytes; a cache line."""


@dataclass(frozen=True)
class DecodedBlocks:
    """A file in memory that holds each stored block of a plan as its decoded columns; whoever made it removes it."""

    path: Path
    offsets: tuple[tuple[int, ...], ...]
    """Of each stored block: the byte where each of the plan's `stored_columns` begins, each row in its stored dtype,
    little-endian, one after the other."""

    @classmethod
    def written(cls, path: Path, plan: Plan, columns: Callable[[Block], Mapping[str, torch.Tensor]]) -> DecodedBlocks:
        """Write the stored blocks of `plan` to a new file, with columns by name as `columns` gives them."""
        places = tuple(_places(plan))
        decoded = cls(path, tuple(place.offsets for place in places))
        with path.open("x+b") as file:
            # Memory that is full says so here; behind a map it would kill the process.
            os.posix_fallocate(file.fileno(), 0, places[-1].end)
        with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as view:
            for block, place in zip(plan.stored_blocks, places, strict=True):
                values = columns(block)
                for name, tensor in place.tensors(view).items():
                    tensor.copy_(values[name])
                # A map cannot be closed while a tensor looks into it.
                del tensor
        return decoded

    @classmethod
    def lying_at(cls, path: Path, plan: Plan) -> DecodedBlocks:
        """Give those that were written to a file from the same blocks and fields."""
        return cls(path, tuple(place.offsets for place in _places(plan)))

    def columns(self, plan: Plan) -> dict[int, dict[str, torch.Tensor]]:
        """Give the columns by name of each stored block by number, where they lie: nothing is copied."""
        with self.path.open("r+b") as file:
            # With its pages in place: a first touch of each would cost as much as a decoder.
            view = mmap.mmap(file.fileno(), 0, mmap.MAP_SHARED | mmap.MAP_POPULATE)
        return {
            block.number: place.tensors(view) for block, place in zip(plan.stored_blocks, _places(plan), strict=True)
        }


@dataclass(frozen=True)
class _Place:
    """Where the columns of one block lie."""

    start: int
    rows: int
    fields: tuple[Field, ...]

    @property
    def offsets(self) -> tuple[int, ...]:
        return tuple(self._bounds)[:-1]

    @property
    def end(self) -> int:
        return tuple(self._bounds)[-1]

    @property
    def _bounds(self) -> Iterator[int]:
        at = self.start
        for field in self.fields:
            yield at
            at += -(-field.row_bytes * self.rows // _ALIGN) * _ALIGN
        yield at

    def tensors(self, view: mmap.mmap) -> dict[str, torch.Tensor]:
        import torch

        tensors = {}
        for field, at in zip(self.fields, self.offsets, strict=True):
            values = np.ndarray((self.rows, *field.shape), np.dtype(field.stored), view, at)
            tensors[field.name] = torch.from_numpy(values.view(np.int64) if field.stored == "uint64" else values)
        return tensors


def _places(plan: Plan) -> Iterator[_Place]:
    at = 0
    for block in plan.stored_blocks:
        place = _Place(at, block.stop - block.start, plan.stored_columns)
        yield place
        at = place.end

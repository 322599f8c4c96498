"""A data set in memory, as the bytes of its files and as decoded blocks."""

from __future__ import annotations

import hashlib
import mmap
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from feedrate.errors import DataError
from feedrate.loading.source import FileSource
from feedrate.system import memory

if TYPE_CHECKING:
    from pathlib import Path

    from feedrate.data.dataset import DataSet
    from feedrate.data.field import Field
    from feedrate.loading.batch import Columns
    from feedrate.loading.block import Block
    from feedrate.loading.plan import Plan

__all__ = ["DataSetCache", "DecodedSource"]

_SHARE = 0.3
"""Of the free memory; the rest is for the loader and the step."""
_ALIGN = 64
_PART = 8 << 20


@dataclass(frozen=True)
class DataSetCache:
    """Files in a folder of a memory file system, which whoever made the folder removes.

    Files without a name (memfd_create(2)) would vanish by themselves with their last process, but HDF5 opens nothing
    that has no real path.
    """

    folder: Path

    @staticmethod
    def lacking(plan: Plan, folder: Path) -> str:
        """Why there is no room for it in `folder`; empty when there is."""
        needed, room = plan.data.bytes + plan.epoch_bytes, shutil.disk_usage(folder).free
        if needed > room:
            return f"{folder.parent} has room for {_gb(room)}, and the data set takes {_gb(needed)} there"
        spared = int(_SHARE * memory.available_bytes())
        return f"the data set takes {_gb(needed)} of memory, and {_gb(spared)} can be spared" if needed > spared else ""

    @classmethod
    def filled(cls, plan: Plan, folder: Path) -> DataSetCache:
        """The data set of `plan`, its files compared with their digests on the way.

        Raises:
            DataError: a file is not what was written.
        """
        for index in range(len(plan.data.shards)):
            _copy(plan.data, index, folder)
        stock = cls(folder)
        _decode(plan, stock.decoded)
        return stock

    @property
    def decoded(self) -> Path:
        """The columns of each stored block, one after the other."""
        return self.folder / "decoded"

    def in_memory(self, plan: Plan) -> Plan:
        """The plan over the copies."""
        return replace(plan, data=replace(plan.data, folder=self.folder))


def _gb(count: int) -> str:
    return f"{count / 1e9:.2g} GB"


def _copy(data: DataSet, index: int, folder: Path) -> None:
    digest = hashlib.blake2b(digest_size=16)
    with data.path(index).open("rb", buffering=0) as file, (folder / data.shards[index].file).open("xb") as sink:
        while part := file.read(_PART):
            digest.update(part)
            sink.write(part)
    if digest.hexdigest() != data.shards[index].digest:
        raise DataError(f"{data.path(index)}: is not what was written; `feedrate data make --force` renews it")


def _decode(plan: Plan, path: Path) -> None:
    """Read every block and lay its columns down where `DecodedSource` looks for them."""
    source = FileSource(plan.data, plan.spec)
    places = tuple(_places(plan))
    with path.open("x+b") as file:
        # Memory that is full says so here; behind a map it would kill the process.
        os.posix_fallocate(file.fileno(), 0, places[-1].end)
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as view:
        for block, place in zip(plan.stored_blocks, places, strict=True):
            columns = source.read(block)
            for name, tensor in place.tensors(view).items():
                tensor.copy_(columns.tensors[name])
            # A map cannot be closed while a tensor looks into it.
            del tensor


@dataclass(frozen=True)
class _Place:
    """Where the columns of one block lie."""

    start: int
    rows: int
    fields: tuple[Field, ...]

    @property
    def end(self) -> int:
        return self.start + sum(_aligned(field.row_bytes * self.rows) for field in self.fields)

    def tensors(self, view: mmap.mmap) -> dict[str, torch.Tensor]:
        tensors, at = {}, self.start
        for field in self.fields:
            shape = (self.rows, *field.shape)
            values = np.ndarray(shape, np.dtype(field.stored), view, at)
            tensor = torch.from_numpy(values.view(np.int64) if field.stored == "uint64" else values)
            tensors[field.name] = tensor
            at += _aligned(field.row_bytes * self.rows)
        return tensors


def _aligned(count: int) -> int:
    return -(-count // _ALIGN) * _ALIGN


def _places(plan: Plan) -> Iterator[_Place]:
    at = 0
    for block in plan.stored_blocks:
        place = _Place(at, block.stop - block.start, plan.stored_columns)
        yield place
        at = place.end


class DecodedSource:
    """Serves blocks that lie decoded in memory: nothing is read, nothing copied."""

    def __init__(self, plan: Plan, stock: DataSetCache) -> None:
        self._plan = plan
        with stock.decoded.open("r+b") as file:
            # With its pages in place: a first touch of each would cost as much as a decoder.
            view = mmap.mmap(file.fileno(), 0, mmap.MAP_SHARED | mmap.MAP_POPULATE)
        self._columns = {
            block.number: place.tensors(view) for block, place in zip(plan.stored_blocks, _places(plan), strict=True)
        }

    def read(self, block: Block) -> Columns:
        """See `Source`."""
        return self._plan.columns(self._columns[block.number], block)

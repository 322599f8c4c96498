"""A workload over a user's own files: what is read and handed over, without any model."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from feedrate.data.field import ROW_ID, Field

# Hints are looked at when knobs are read.
from feedrate.data.own.table import OwnTable
from feedrate.errors import UnavailableError
from feedrate.plugin.strategy import knob
from feedrate.plugin.workload import OWN_SIZE, SizedWorkload, Workload

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor

    from feedrate.data.dataset import DataSet
    from feedrate.loading.block import Block

__all__ = ["FilesWorkload"]


@dataclass(frozen=True)
class FilesWorkload(Workload):
    """Race reading and hand-over of files that are somebody's own; no plugin offers it, it is made from the files.

    A block is a row group, record batch or run of chunks, or as many of them as make up a batch.
    """

    version: ClassVar[int] = 1
    sizes: ClassVar[tuple[str, ...]] = (OWN_SIZE,)
    is_generated: ClassVar[bool] = False
    has_model: ClassVar[bool] = False

    table: OwnTable = dataclasses.field(metadata={"knob": False})
    batch: int = knob(1_024, low=1, high=1 << 24)
    """Rows of a batch; the last of a block may have fewer."""
    drop_last: bool = knob(False, True)
    """Leave that one out: other rows in each epoch."""

    @property
    def name(self) -> str:  # type: ignore[override]  # a class variable elsewhere
        """Named after the files."""
        return self.table.name

    @property
    def format(self) -> str:  # type: ignore[override]  # a class variable elsewhere
        """Format of the files."""
        return self.table.format

    @property
    def storage(self) -> Mapping[str, str]:
        """Compression of the files, and that axes are lists."""
        return self.table.data_set.storage

    def at(self, size: str) -> SizedWorkload:
        """See `Workload`; there is one size, that of the files."""
        return SizedFiles(self, super().at(size).size)

    def stored_fields(self, size: str) -> tuple[Field, ...]:
        """Give the row id, which lies in no file, and the columns."""
        del size
        return self.table.data_set.fields

    def row_groups(self, size: str) -> tuple[tuple[int, ...], ...]:
        """See `Workload`."""
        del size
        return tuple(shard.groups for shard in self.table.shards)

    def rows(self, size: str, seed: int, start: int, stop: int) -> dict[str, NDArray[np.generic]]:
        """Read the rows with the library of their format alone: nobody can make them."""
        del size, seed
        import numpy as np

        from feedrate.data.own.plain_rows import plain_rows

        columns = plain_rows(self.table.data_set, self.table.fields, start, stop)
        return {ROW_ID: np.arange(start, stop), **columns}

    def blocks(self, size: str) -> tuple[Block, ...]:
        """See `Workload`; a block may reach over several files."""
        from feedrate.loading.block import Block, with_batches

        groups = [rows for shard in self.row_groups(size) for rows in shard]
        drop = self.drop_last
        return with_batches(
            Block(low, high, ((low, high),), self.batch, drop_last=drop) for low, high in _runs(groups, self.batch)
        )

    def model(self, size: str) -> torch.nn.Module:
        """Raise `UnavailableError`: there is none."""
        del size
        self._refuse()

    def loss(self, outputs: Any, tensors: Mapping[str, Tensor]) -> Tensor:
        """Raise `UnavailableError`: there is none."""
        del outputs, tensors
        self._refuse()

    def optimizer(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """Raise `UnavailableError`: there is none."""
        del parameters
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise UnavailableError(f"{self}: files alone have no model; use a step that trains nothing")


@dataclass(frozen=True)
class SizedFiles(SizedWorkload):
    """The files, as they are."""

    workload: FilesWorkload

    def open(self, root: Path) -> DataSet:
        """Give the files where they lie; `root` holds data sets of feedrate's.

        Raises:
            DataError: one was changed since they were looked into.
        """
        del root
        self.workload.table.demand_unchanged()
        return self.workload.table.data_set


def _runs(groups: Iterable[int], least: int) -> Iterator[tuple[int, int]]:
    """Yield first and last + 1 row of runs of whole groups that have so many rows at least, save for the last run."""
    start = stop = 0
    for rows in groups:
        stop += rows
        if stop - start >= least:
            yield start, stop
            start = stop
    if stop > start:
        yield start, stop

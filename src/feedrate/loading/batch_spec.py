"""Say what a batch is: which tensors, cut from which columns, in which dtypes, with what work done on them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from feedrate.data.dataset import DataSet
    from feedrate.data.field import Cast, Field
    from feedrate.loading.batch import Columns
    from feedrate.loading.block import Block
    from feedrate.loading.source import Source

__all__ = ["BatchSpec"]


@dataclass(frozen=True)
class BatchSpec:
    """What a batch is, whatever rows it holds and in whichever order batches come."""

    fields: tuple[Field, ...]
    """Tensors that are cut from columns, the row id among them."""
    cast: Cast = "device"
    """Where stored dtypes become the model's."""
    day_starts: tuple[int, ...] | None = None
    """Row where each day of a panel starts, and the end; windows reach back by days. None: a row is a day."""
    decoder: str = ""
    """Library that decodes, where a format offers several."""
    derive: Callable[[Mapping[str, torch.Tensor]], dict[str, torch.Tensor]] | None = None
    """Work on each batch that loaders do; picklable. Returns further tensors, named in `derived`."""
    derived: tuple[Field, ...] = ()

    has_columns: ClassVar[bool] = True
    """Batches are cut from columns, in buffers of one form where somebody gives any; False: collated from samples."""

    @property
    def cast_fields(self) -> tuple[Field, ...]:
        """Tensors whose stored dtype may be another than the model's."""
        return self.batch_fields

    def source(self, data: DataSet) -> Source:
        """Open what reads the blocks of `data`."""
        from feedrate.loading.source import FileSource

        return FileSource(data, self)

    def row_count(self, data: DataSet) -> int:
        """Count the rows that may be samples."""
        return data.rows

    @property
    def batch_fields(self) -> tuple[Field, ...]:
        """Every tensor of a batch: those cut from columns, then those derived."""
        return (*self.fields, *self.derived)

    def stored_columns(self, data: DataSet) -> tuple[Field, ...]:
        """Give the columns of `data` that batches are cut from, in their stored order."""
        return tuple(field for field in data.fields if field.name in self._sources)

    def columns(self, tensors: Mapping[str, torch.Tensor], block: Block) -> Columns:
        """Wrap the stored columns of a block's rows, so that batches can be cut from them."""
        from feedrate.loading.batch import Columns

        day_starts = None if self.day_starts is None else torch.tensor(self.day_starts)
        return Columns(tensors, self.fields, self.cast, block.start, day_starts, self.derive)

    @cached_property
    def _sources(self) -> frozenset[str]:
        return frozenset(field.column_name for field in self.fields)

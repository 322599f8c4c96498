"""Say what a batch is: which tensors, cut from which columns, in which dtypes, with what work done on them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from feedrate.data.field import ROW_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from feedrate.data.dataset import DataSet
    from feedrate.data.field import Cast, Field
    from feedrate.loading.batch import Batch, Columns
    from feedrate.loading.block import Block
    from feedrate.loading.source import PlainSource

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
    keep_open: bool = False
    """Files stay open for as long as a source is; False: each read opens those it needs, and closes them."""
    derive: Callable[[Mapping[str, torch.Tensor]], dict[str, torch.Tensor]] | None = None
    """Work on each batch that loaders do; picklable. Returns further tensors, named in `derived`."""
    derived: tuple[Field, ...] = ()

    has_columns: ClassVar[bool] = True
    """Batches are cut from columns, in buffers of one form where somebody gives any; False: collated from samples."""

    @property
    def cast_fields(self) -> tuple[Field, ...]:
        """Tensors whose stored dtype may be another than the model's."""
        return self.batch_fields

    def source(self, data: DataSet) -> PlainSource:
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

        return Columns(tensors, self.fields, self.cast, block.start, self._day_starts, self.derive)

    def touched(self, ids: torch.Tensor) -> torch.Tensor:
        """Give the rows, int64 (R,) and ascending, that the batch of the samples `ids`, int64 (B,), is cut from.

        They are the samples' own and, of windows, those of their history.
        """
        from feedrate.loading.column import Positions

        at = Positions(ids, ids, 0, self._day_starts)
        lengths = {field.window for field in self.fields if field.window}
        rows: torch.Tensor = torch.cat([ids, *(at.window(length).reshape(-1) for length in lengths)]).unique()
        return rows

    def assembled(self, ids: torch.Tensor, rows: torch.Tensor, tensors: Mapping[str, torch.Tensor]) -> Batch:
        """Make the batch of the samples `ids`, int64 (B,), from the rows that `touched` gave, or more of them.

        `rows`: int64 (R,), ascending. `tensors`: by stored column, (R, *shape) in stored dtypes; row ids are `rows`.
        """
        from feedrate.loading.batch import Columns

        everything = {**tensors, ROW_ID: rows}
        return Columns(everything, self.fields, self.cast, 0, self._day_starts, self.derive, rows=rows).batch(ids)

    def collated(self, records: Sequence[Mapping[str, Any]]) -> Batch:
        """Make a batch of samples that came one by one: of each its tensors or arrays by name, and its `row_id`.

        Values have the stored dtypes and the shapes of a sample, without the axis of the batch.
        """
        from feedrate.loading.batch import Batch
        from feedrate.loading.column import torch_dtype

        tensors = {
            field.name: torch.stack([torch.as_tensor(record[field.name]) for record in records]).to(
                torch_dtype(field.dtype(self.cast))
            )
            for field in self.fields
            if field.name != ROW_ID
        }
        if self.derive is not None:
            tensors |= self.derive(tensors)
        return Batch(torch.tensor([int(record[ROW_ID]) for record in records]), tensors)

    @property
    def _day_starts(self) -> torch.Tensor | None:
        return None if self.day_starts is None else torch.tensor(self.day_starts)

    @cached_property
    def _sources(self) -> frozenset[str]:
        return frozenset(field.column_name for field in self.fields)

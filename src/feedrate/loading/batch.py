"""Cut batches, which a loader yields, from the decoded rows of a block."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from feedrate.loading.column import ROW_ID, Column, HeldPositions, Positions, column_of, torch_dtype

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from feedrate.data.field import Cast, Field
    from feedrate.loading.accelerator import Accelerator

__all__ = ["Batch", "Columns", "cast_to_model", "model_dtypes"]


@dataclass(frozen=True)
class Batch:
    """Samples for one step. Whoever receives it owns it: its memory is not reused while any of its tensors lives."""

    ids: Tensor
    """int64 (B,), always on the host: the row that each sample is (the last row of a window)."""
    tensors: Mapping[str, Tensor]
    """By name, (B, *sample shape); stored dtypes on the host when the plan casts on the device, else the model's."""

    def __len__(self) -> int:
        return self.ids.shape[0]

    @property
    def bytes(self) -> int:
        """Bytes of the tensors, the ids left out."""
        return sum(tensor.nbytes for tensor in self.tensors.values())

    def without_views(self) -> Batch:
        """Give the batch in the same memory, in tensors that are views of no other tensor.

        torch.compile tells the two apart and compiles for each.
        """
        return Batch(self.ids, {name: _alone(tensor) for name, tensor in self.tensors.items()})

    def copied(self) -> Batch:
        """Copy the batch into memory of its own."""
        return Batch(self.ids.clone(), {name: tensor.clone() for name, tensor in self.tensors.items()})

    def pinned(self, accelerator: Accelerator) -> Batch:
        """Copy the batch into page-locked memory; tensors that are there already are shared."""
        return Batch(self.ids, {name: accelerator.pin_memory(tensor) for name, tensor in self.tensors.items()})


def _alone(tensor: Tensor) -> Tensor:
    if tensor._base is None:
        return tensor
    own = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
    return own.set_(tensor.untyped_storage(), tensor.storage_offset(), tensor.shape, tensor.stride())


def cast_to_model(tensors: Mapping[str, Tensor], fields: Iterable[Field]) -> dict[str, Tensor]:
    """Cast tensors to the model's dtypes, on the device they are on; one that no field names stays as it is."""
    wanted = model_dtypes(fields)
    return {name: tensor.to(wanted.get(name, tensor.dtype)) for name, tensor in tensors.items()}


def model_dtypes(fields: Iterable[Field]) -> dict[str, torch.dtype]:
    """Give the dtype that the model wants of each tensor, by name."""
    return {field.name: torch_dtype(field.model) for field in fields}


@dataclass(frozen=True)
class Columns:
    """Decoded rows of one block. Gathers are torch operations, so they run wherever the tensors are."""

    tensors: Mapping[str, Tensor]
    """By column, (R, *shape) in stored dtypes. May be views of a mapped file: read only."""
    fields: tuple[Field, ...]
    """What a batch holds, the row id among them."""
    cast: Cast
    first: int
    """Row number of the first of the R rows."""
    day_starts: Tensor | None = None
    """int64 (D + 1,): the row where each day starts, and the end. None: every row is a day of its own."""
    derive: Callable[[Mapping[str, Tensor]], dict[str, Tensor]] | None = None
    accelerator: Accelerator | None = None
    """Of the device that holds the columns, where batches are cut in the model's dtypes; None: they are on the host."""
    rows: Tensor | None = None
    """int64 (R,), ascending, on the host: which rows the columns hold, where they were picked; `first` is 0 then, and
    `batch` takes numbers of rows. None: R rows from `first` on."""

    @property
    def bytes(self) -> int:
        """Bytes of all columns."""
        return sum(tensor.nbytes for tensor in self.tensors.values())

    def placed(self, tensors: Mapping[str, Tensor], accelerator: Accelerator) -> Columns:
        """Give the same columns on a device: `tensors` hold all but the row ids, which stay on the host."""
        starts = None if self.day_starts is None else accelerator.to_device(self.day_starts)
        everything = {**tensors, ROW_ID: self.tensors[ROW_ID]}
        return replace(self, tensors=everything, day_starts=starts, accelerator=accelerator)

    def batch(self, rows: Tensor, into: Mapping[str, Tensor] | None = None) -> Batch:
        """Gather the samples at positions `rows`, int64 (B,) on the host; windows are cut here.

        With `into`, tensors of at least B rows by the name of each field, the batch is written into their first B rows
        and refers to them; they must not be touched while the batch lives.
        """
        beside = self._beside(rows)
        if self.rows is None:
            at = Positions(rows, beside, self.first, self.day_starts)
        else:
            at = HeldPositions(rows, beside, self.first, self.day_starts, held=self.rows)
        tensors = {
            name: column.gather(at, None if into is None else into[name][: len(rows)])
            for name, column in self._columns.items()
        }
        if self.derive is not None:
            tensors |= _placed(self.derive(tensors), into)
        return Batch(tensors.pop(ROW_ID), tensors)

    @cached_property
    def _columns(self) -> Mapping[str, Column]:
        cast = self.cast if self.accelerator is None else "host"
        return {field.name: column_of(field, self.tensors[field.column_name], cast) for field in self.fields}

    def _beside(self, rows: Tensor) -> Tensor:
        """The same positions, where the columns are."""
        return rows if self.accelerator is None else self.accelerator.to_device(rows)


def _placed(tensors: dict[str, Tensor], into: Mapping[str, Tensor] | None) -> dict[str, Tensor]:
    if into is None:
        return tensors
    return {name: into[name][: tensor.shape[0]].copy_(tensor) for name, tensor in tensors.items()}

"""Cut batches, which a loader yields, from the decoded rows of a block."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from feedrate.loading.column import ROW_ID, Column, Positions, column_of, torch_dtype

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from feedrate.data.field import Cast, Field

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

    def pin_memory(self) -> Batch:
        """Copy the batch into page-locked memory; tensors that are there already are shared."""
        pinned = {name: tensor if tensor.is_pinned() else tensor.pin_memory() for name, tensor in self.tensors.items()}
        return Batch(self.ids, pinned)


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

    @property
    def bytes(self) -> int:
        """Bytes of all columns."""
        return sum(tensor.nbytes for tensor in self.tensors.values())

    def to(self, device: torch.device) -> Columns:
        """Copy the columns to `device`, row ids left on the host; columns already there are shared, not copied."""
        moved = {
            name: tensor if name == ROW_ID else tensor.to(device, non_blocking=True)
            for name, tensor in self.tensors.items()
        }
        return replace(self, tensors=moved, day_starts=None if self.day_starts is None else self.day_starts.to(device))

    def batch(self, rows: Tensor, into: Mapping[str, Tensor] | None = None) -> Batch:
        """Gather the samples at positions `rows`, int64 (B,) on the host; windows are cut here.

        With `into`, tensors of at least B rows by the name of each field, the batch is written into their first B rows
        and refers to them; they must not be touched while the batch lives.
        """
        at = Positions(rows, self._beside(rows), self.first, self.day_starts)
        tensors = {
            name: column.gather(at, None if into is None else into[name][: len(rows)])
            for name, column in self._columns.items()
        }
        if self.derive is not None:
            tensors |= _placed(self.derive(tensors), into)
        return Batch(tensors.pop(ROW_ID), tensors)

    @cached_property
    def _columns(self) -> Mapping[str, Column]:
        return {field.name: column_of(field, self.tensors[field.column_name], self.cast) for field in self.fields}

    @cached_property
    def _device(self) -> torch.device:
        return next((t.device for name, t in self.tensors.items() if name != ROW_ID), torch.device("cpu"))

    def _beside(self, rows: Tensor) -> Tensor:
        """The same positions, where the columns are."""
        return rows if self._device.type == "cpu" else rows.to(self._device, non_blocking=True)


def _placed(tensors: dict[str, Tensor], into: Mapping[str, Tensor] | None) -> dict[str, Tensor]:
    if into is None:
        return tensors
    return {name: into[name][: tensor.shape[0]].copy_(tensor) for name, tensor in tensors.items()}

"""Gather one tensor of a batch from the column it is cut from: row ids, plain values, or windows of history."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from feedrate.data.field import ROW_ID
from feedrate.errors import ContractError

if TYPE_CHECKING:
    from feedrate.data.field import Cast, Field

__all__ = [
    "ROW_ID",
    "Column",
    "HeldPositions",
    "IdColumn",
    "PlainColumn",
    "Positions",
    "WindowColumn",
    "column_of",
    "torch_dtype",
]


def torch_dtype(name: str) -> torch.dtype:
    """Give the torch dtype of that name.

    Raises:
        ContractError: torch has none.
    """
    kind = getattr(torch, name, None)
    if not isinstance(kind, torch.dtype):
        raise ContractError(f"{name!r} is not the name of a torch dtype")
    return kind


@dataclass
class Positions:
    """Places a batch's samples among the rows of a block; windows of one length are worked out once a batch."""

    on_host: Tensor
    """int64 (B,), on the host, where row ids are."""
    by_columns: Tensor
    """The same, on the device of the other columns."""
    first: int
    """Row number of the block's first row."""
    day_starts: Tensor | None
    """int64 (D + 1,), beside the columns: the row where each day starts, and the end. None: every row is a day."""
    _windows: dict[int, Tensor] = field(default_factory=dict)

    def window(self, length: int) -> Tensor:
        """Give int64 (B, length), on the columns' device: positions of the rows of each window, oldest first."""
        if length not in self._windows:
            # Made from a tensor that is there: length - 1, ..., 1, 0.
            back = length - self.by_columns.new_ones(length).cumsum(0)
            self._windows[length] = self._back(back)
        return self._windows[length]

    def _back(self, back: Tensor) -> Tensor:
        if self.day_starts is None:
            return self.by_columns[:, None] - back
        row = self.by_columns + self.first
        day = torch.searchsorted(self.day_starts, row, right=True) - 1
        code = row - self.day_starts[day]
        return self.day_starts[day[:, None] - back] + (code[:, None] - self.first)


@dataclass
class HeldPositions(Positions):
    """Places samples among rows that were picked from a data set: `on_host` and `by_columns` are numbers of rows."""

    held: Tensor = field(kw_only=True)
    """int64 (R,), ascending: the rows that there are; every row that a sample needs is among them."""

    def __post_init__(self) -> None:
        self._whole = Positions(self.on_host, self.by_columns, self.first, self.day_starts)
        self.on_host = self.by_columns = torch.searchsorted(self.held, self.on_host)

    def window(self, length: int) -> Tensor:
        """See `Positions`."""
        return torch.searchsorted(self.held, self._whole.window(length))


class Column(Protocol):
    """Gathers one tensor of a batch."""

    def gather(self, at: Positions, out: Tensor | None) -> Tensor:
        """Give the values at these positions, in memory of their own, or in `out`, (B, *sample shape)."""


@dataclass(frozen=True)
class IdColumn:
    """Gathers row ids, which stay on the host whatever holds the other columns."""

    values: Tensor
    """(R,)."""
    dtype: torch.dtype

    def gather(self, at: Positions, out: Tensor | None) -> Tensor:
        """See `Column`."""
        return _gathered(self.values, at.on_host, self.dtype, out)


@dataclass(frozen=True)
class PlainColumn:
    """Gathers a value a sample, that of its own row."""

    values: Tensor
    """(R, *shape), in the stored dtype."""
    dtype: torch.dtype
    """Of the tensor of a batch."""

    def gather(self, at: Positions, out: Tensor | None) -> Tensor:
        """See `Column`."""
        return _gathered(self.values, at.by_columns, self.dtype, out)


@dataclass(frozen=True)
class WindowColumn:
    """Gathers the values of so many rows a sample, its own row last."""

    values: Tensor
    """(R, *shape), in the stored dtype."""
    dtype: torch.dtype
    """Of the tensor of a batch."""
    length: int

    def gather(self, at: Positions, out: Tensor | None) -> Tensor:
        """See `Column`."""
        return _gathered(self.values, at.window(self.length), self.dtype, out)


def column_of(field: Field, values: Tensor, cast: Cast) -> Column:
    """Choose how a field is gathered from its stored `values`, in the dtype that a batch has with that `cast`."""
    dtype = torch_dtype(field.dtype(cast))
    if field.window:
        return WindowColumn(values, dtype, field.window)
    return IdColumn(values, dtype) if field.name == ROW_ID else PlainColumn(values, dtype)


def _gathered(values: Tensor, index: Tensor, dtype: torch.dtype, out: Tensor | None) -> Tensor:
    """Give `values` at `index`, (B,) or (B, length), in `dtype`."""
    flat = index.reshape(-1)
    if out is None:
        return values.index_select(0, flat).view(*index.shape, *values.shape[1:]).to(dtype)
    if dtype == values.dtype:
        torch.index_select(values, 0, flat, out=out.view(flat.shape[0], *values.shape[1:]))
    else:
        out.copy_(values.index_select(0, flat).view_as(out))
    return out

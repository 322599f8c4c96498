"""Say what one column of a data set, or one tensor of a batch, is."""

from __future__ import annotations

import math
import reprlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ROW_ID", "STORED", "Cast", "Field"]

ROW_ID = "row_id"
"""The column that every data set has: the number of the row."""

Cast = Literal["host", "device"]
"""Where a stored dtype becomes the model's: on the `host` before the copy, or on the `device` after it."""

_BYTES = {
    **dict.fromkeys(("bool", "int8", "uint8"), 1),
    **dict.fromkeys(("float16", "int16", "uint16"), 2),
    **dict.fromkeys(("float32", "int32", "uint32"), 4),
    **dict.fromkeys(("float64", "int64", "uint64"), 8),
}
_ITEM_BYTES = _BYTES | {"bfloat16": 2, "complex64": 8, "complex128": 16}
"""Of all that a tensor of a batch may hold."""
STORED = frozenset(_BYTES)
"""Dtypes that a column may have on disk."""
_MODEL = STORED | {"bfloat16"}
"""Dtypes that a model may want."""
_NEEDED, _OPTIONAL = {"name", "stored", "model", "shape"}, {"column", "window"}
_LONGEST, _AXES, _ROW_BYTES = 1 << 24, 32, 1 << 31
"""No axis, no shape and no row is longer than that."""


@dataclass(frozen=True)
class Field:
    """Name, dtypes and shape of one column, or of one tensor cut from a column."""

    name: str
    stored: str
    """numpy dtype name on disk."""
    model: str
    """torch dtype name that the model wants."""
    shape: tuple[int, ...] = ()
    """Shape of one stored row."""
    column: str = ""
    """Column it is cut from; empty: the column of its own name."""
    window: int = 0
    """Rows of history in one sample, the sample's own row last; 0: no history axis."""

    @property
    def column_name(self) -> str:
        """Name of the stored column that it is cut from."""
        return self.column or self.name

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of one sample in a batch: `(window, *shape)` with history, else `shape`."""
        return (self.window, *self.shape) if self.window else self.shape

    def dtype(self, cast: Cast) -> str:
        """Name the dtype in the batch a loader yields: the model's when cast on the host, else the stored one."""
        name = self.model if cast == "host" else self.stored
        return "int64" if name == "uint64" else name

    def sample_bytes(self, cast: Cast) -> int:
        """Count the bytes of one sample in the batch a loader yields."""
        return _ITEM_BYTES[self.dtype(cast)] * math.prod(self.sample_shape)

    @property
    def row_bytes(self) -> int:
        """Bytes of one stored row, uncompressed."""
        return _ITEM_BYTES[self.stored] * math.prod(self.shape)

    def as_json(self) -> dict[str, object]:
        """Give the values that stand in a manifest."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, object]) -> Field:
        """Read what `as_json` gives.

        Raises:
            ValueError: it is not of that form, in every part and range.
        """
        for part in (_NEEDED - raw.keys()) | (raw.keys() - _NEEDED - _OPTIONAL):
            raise ValueError(f"a field {'lacks' if part in _NEEDED else 'has'} {reprlib.repr(part)}")
        name, stored, model, shape = (raw[part] for part in ("name", "stored", "model", "shape"))
        column, window = raw.get("column", ""), raw.get("window", 0)
        if not (isinstance(name, str) and name and name.isprintable()):
            raise ValueError(f"a field is called {reprlib.repr(name)}")
        if not (isinstance(column, str) and column.isprintable()):
            raise ValueError(f"field {name!r} is cut from {reprlib.repr(column)}")
        if not (isinstance(stored, str) and stored in _BYTES and isinstance(model, str) and model in _MODEL):
            raise ValueError(f"field {name!r}: no dtypes {reprlib.repr(stored)} and {reprlib.repr(model)}")
        if not (isinstance(shape, list) and len(shape) <= _AXES and all(_counts(size, 1) for size in shape)):
            raise ValueError(f"field {name!r}: shape {reprlib.repr(shape)}")
        if not _counts(window, 0):
            raise ValueError(f"field {name!r}: window {reprlib.repr(window)}")
        field = cls(name, stored, model, tuple(shape), column, window)
        if field.row_bytes > _ROW_BYTES:
            raise ValueError(f"field {name!r}: rows of {field.row_bytes:.1e} bytes")
        return field


def _counts(value: object, least: int) -> TypeGuard[int]:
    return type(value) is int and least <= value <= _LONGEST

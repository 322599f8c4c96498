"""What one column of a data set, or one tensor of a batch, is."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Cast", "Field"]

Cast = Literal["host", "device"]
"""Where a stored dtype becomes the model's: on the `host` before the copy, or on the `device` after it."""

_BYTES = {"bool": 1, "uint8": 1, "float16": 2, "int32": 4, "float32": 4, "int64": 8, "uint64": 8}


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
    def source(self) -> str:
        """Name of the stored column."""
        return self.column or self.name

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of one sample in a batch: `(window, *shape)` with history, else `shape`."""
        return (self.window, *self.shape) if self.window else self.shape

    def dtype(self, cast: Cast) -> str:
        """Dtype name in the batch a loader yields: the model's when cast on the host, else the stored one."""
        name = self.model if cast == "host" else self.stored
        return "int64" if name == "uint64" else name

    def sample_bytes(self, cast: Cast) -> int:
        """Bytes of one sample in the batch a loader yields."""
        return _BYTES[self.dtype(cast)] * math.prod(self.sample_shape)

    @property
    def row_bytes(self) -> int:
        """Bytes of one stored row, uncompressed."""
        return _BYTES[self.stored] * math.prod(self.shape)

    def as_json(self) -> dict[str, object]:
        """The form that stands in a manifest."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, object]) -> Field:
        """The inverse of `as_json`."""
        shape = raw["shape"]
        sizes = shape if isinstance(shape, (list, tuple)) else ()
        return cls(
            name=str(raw["name"]),
            stored=str(raw["stored"]),
            model=str(raw["model"]),
            shape=tuple(int(n) for n in sizes),
            column=str(raw.get("column", "")),
            window=int(str(raw.get("window", 0))),
        )

"""Record the copy of a data set that a loader keeps in a format of its own."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["OwnCopy"]


@dataclass(frozen=True)
class OwnCopy:
    """Tell what was paid before the first batch, once for all measurements: it is in no time of a cell."""

    bytes: int
    made_s: float
    """Seconds that making it took, whenever that was."""
    data_bytes: int
    """Of the files that it was made from."""

"""Record how far a stream's order is from that of the files."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Shuffle"]


@dataclass(frozen=True)
class Shuffle:
    """Tell what a shuffle is worth, from the rows of the first epoch, or of as much of it as was served."""

    moved_share: float
    """How far a row comes from its place in the files, in epochs, on average: 0 as stored, 1/3 in a whole shuffle."""
    neighbour_correlation: float
    """Pearson's, of the places in the files of rows that come one after the other: 1 as stored, about 0 in a whole
    shuffle, and near 1 where blocks are shuffled that are small beside an epoch."""

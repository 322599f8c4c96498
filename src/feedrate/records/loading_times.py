"""Hold what making batches of a person's own data set took in one process, part by part."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

__all__ = ["LoadingTimes", "PartTimes"]


@dataclass(frozen=True)
class PartTimes:
    """Hold the seconds of one part of loading, batch by batch."""

    s: tuple[float, ...]
    """(B,) wall seconds of each batch."""
    core_s: tuple[float, ...]
    """(B,) processor seconds of the process meanwhile."""

    def shared_s(self, workers: int, cores: int) -> float:
        """Give mean seconds a batch where so many workers share the work on so many cores; 0 workers: the caller's.

        Workers that wait overlap as many as there are, and those that compute as many as have a core.
        """
        if not workers:
            return fmean(self.s)
        return max(fmean(self.s) / workers, fmean(self.core_s) / max(1, cores))


@dataclass(frozen=True)
class LoadingTimes:
    """Hold how long a few batches took in the process that trains, after every timed window."""

    samples: int = 0
    """Of all batches together."""
    fetch: PartTimes | None = None
    """Samples fetched: `__getitem__`, `__getitems__`, or the iterator of an iterable data set."""
    collate: PartTimes | None = None
    """Made a batch of."""
    pin: PartTimes | None = None
    """Copied to page-locked memory; None: the loader does not."""
    hand_over_s: tuple[float, ...] = ()
    """(H,) seconds from one batch to the next of as many workers that only hand over what is ready; empty: there are
    none, or they cannot be forked here."""
    integers_as_floats: str = ""
    """Integers of the samples that the batch has as floats, with the same values: where, and which floats."""
    absent: str = ""
    """Why nothing was measured; empty: it was."""

    @property
    def batches(self) -> int:
        """Count the batches that were made."""
        return 0 if self.fetch is None else len(self.fetch.s)

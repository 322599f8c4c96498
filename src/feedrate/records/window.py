"""Hold one timed stretch of a run, and refuse what no run can have timed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from feedrate.errors import DataError

__all__ = ["MOST", "Window", "demand_work", "mean_batch_s", "mean_sample_s"]

MOST = 10**15
"""More batches or samples than this are in no window, and more samples than this in no batch."""
_SHORTEST_S, _LONGEST_S = 1e-9, 1e9


@dataclass(frozen=True)
class Window:
    """Hold one timed stretch of a run, the device synchronised before and after the stretch and nowhere inside."""

    s: float
    batches: int
    samples: int

    @property
    def batch_s(self) -> float:
        """Divide the seconds by the batches."""
        return self.s / self.batches


def mean_batch_s(windows: Sequence[Window]) -> float:
    """Divide the seconds of all windows by their batches."""
    return sum(window.s for window in windows) / sum(window.batches for window in windows)


def mean_sample_s(windows: Sequence[Window]) -> float:
    """Divide the seconds of all windows by their samples."""
    return sum(window.s for window in windows) / sum(window.samples for window in windows)


def demand_work(windows: Sequence[Window], where: str, least: int = 0) -> None:
    """Check windows that were read: how many they are, and what each holds.

    Raises:
        DataError: there are too few, or one holds no time, no batch or no sample, or more than can be.
    """
    if len(windows) < least:
        raise DataError(f"{where} holds {len(windows)} windows instead of {least} or more")
    for place, window in enumerate(windows):
        counts = window.batches, window.samples
        if not (_SHORTEST_S <= window.s <= _LONGEST_S and all(0 < count <= MOST for count in counts)):
            about = f"{window.batches:g} batches of {window.samples:g} samples in {window.s:g} s"
            raise DataError(f"{where}[{place}] is a window of {about}")

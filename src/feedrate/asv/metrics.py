"""Define the nine numbers that asv keeps of every cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from feedrate.errors import DataError

__all__ = ["METRICS", "Metric"]

_MOST = 1e300
"""A JSON integer of a thousand digits is no float."""


@dataclass(frozen=True)
class Metric:
    """Describe one number of a cell, as asv names and shows it."""

    name: str
    """asv's benchmark is `track_<name>`; a new name starts a new history."""
    key: str
    """Where `feedrate run --out` writes it, under `metrics`; its unit ends the key."""
    unit: str
    """A word asv knows, so that it shows 10.1μs and 3.2G and not 1.01e-05 and 3200000000."""
    floor: float = 0.0
    """Smaller values are lifted to this: asv divides by the older value when it compares two commits."""

    def describe(self, track: Callable[..., object], subject: str) -> None:
        """Write unit and title of a benchmark that tracks it where asv looks for them."""
        vars(track).update(unit=self.unit, pretty_name=f"{subject}: {self.name}")

    def value(self, metrics: Mapping[str, float | None]) -> float | None:
        """Look this metric up; None where it was not measured.

        Raises:
            DataError: it is not a finite number. One infinity among the results stops `asv publish` for good.
        """
        number = metrics.get(self.key)
        if number is None:
            return None
        if isinstance(number, bool) or not isinstance(number, int | float) or not -_MOST < number < _MOST:
            raise DataError(f"{self.key} is {number!r:.40}, not a finite number")
        return max(float(number), self.floor)


METRICS = (
    Metric("time_per_sample", "time_per_sample_s", "seconds", floor=1e-12),
    Metric("samples_per_s", "samples_per_s", "samples/s", floor=1e-12),
    Metric("loader_time_per_sample", "loader_time_per_sample_s", "seconds", floor=1e-12),
    Metric("step_time_per_sample", "step_time_per_sample_s", "seconds", floor=1e-12),
    Metric("first_batch", "first_batch_s", "seconds", floor=1e-12),
    Metric("host_peak", "host_peak_bytes", "bytes", floor=1.0),
    Metric("device_peak", "device_peak_bytes", "bytes", floor=1.0),
    Metric("batch_gap_p99", "batch_gap_p99_s", "seconds", floor=1e-12),
    Metric("longest_stall", "longest_stall_s", "seconds", floor=1e-12),
)
"""asv reads every larger number as worse: watch `time_per_sample`; `samples_per_s` is there to be read."""

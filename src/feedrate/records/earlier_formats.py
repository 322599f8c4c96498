"""Bring measurements that an earlier feedrate wrote to the shape that is written today."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from feedrate.errors import DataError
from feedrate.records.batch_gaps import BatchGaps
from feedrate.records.codec import decoded_as, encoded
from feedrate.records.digits import significant
from feedrate.records.format_number import format_of
from feedrate.records.window import Window, demand_work

__all__ = ["as_of_today"]


def as_of_today(raw: Mapping[str, object]) -> Mapping[str, object]:
    """Give the values of a measurement's line as today's format has them; those of today's are left as they are.

    Raises:
        DataError: its format is none or a later one, or a value that is brought to today's is missing or wrong.
    """
    number = format_of(raw)
    if number == 1:
        return _with_batch_gaps(raw)
    return _with_microseconds(raw) if number == 2 else raw


def _with_microseconds(raw: Mapping[str, object]) -> Mapping[str, object]:
    """Turn the sample of the gaps, which format 2 holds in seconds of four digits, to microseconds of as many."""
    gaps = raw.get("batch_gaps")
    if not isinstance(gaps, Mapping) or "sample_s" not in gaps:
        return raw
    sample_s = decoded_as(tuple[float, ...], gaps["sample_s"], "batch_gaps.sample_s")
    return {**raw, "batch_gaps": {**gaps, "sample_us": [significant(s * 1e6, 6) for s in sample_s]}}


def _with_batch_gaps(raw: Mapping[str, object]) -> Mapping[str, object]:
    """Sum up every gap between batches, which format 1 holds in one list for all windows."""
    windows: tuple[Window, ...] = decoded_as(tuple[Window, ...], _demanded(raw, "full_windows"), "full_windows")
    demand_work(windows, "full_windows")
    gaps = iter(decoded_as(tuple[float, ...], _demanded(raw, "full_batch_s"), "full_batch_s"))
    of_windows = [list(islice(gaps, int(window.batches) - 1)) for window in windows]
    # No line that feedrate wrote has more of them than its windows have room for.
    return {**raw, "batch_gaps": encoded(BatchGaps.of([*of_windows, list(gaps)]))}


def _demanded(raw: Mapping[str, object], name: str) -> object:
    if name not in raw:
        raise DataError(f"{name} is missing")
    return raw[name]

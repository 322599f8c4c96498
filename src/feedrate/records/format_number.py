"""Number the format in which a line of raw results is written, and refuse numbers that this code does not read."""

from __future__ import annotations

from collections.abc import Mapping

from feedrate.errors import DataError
from feedrate.records.codec import Record, decoded_as, encoded

__all__ = ["FORMAT", "format_of", "line_of"]

FORMAT = 4
"""What is written. Before it:

1, which lines without a number have: every gap between batches was kept, as `full_batch_s`.
2: lists of objects were written as such, and the sample of the gaps in seconds.
3: defaults of a record were written, and each value of a column that comes again and again.
"""
_KEY = "format"


def format_of(raw: Mapping[str, object]) -> int:
    """Give the number of the format that a line, or a record inside one, is written in.

    Raises:
        DataError: it is no number of a format, or a later one than this code knows.
    """
    number = int(decoded_as(int, raw.get(_KEY, 1), _KEY))
    if number < 1:
        raise DataError(f"{_KEY} is {number}: there is no such format")
    if number > FORMAT:
        raise DataError(f"written by a newer feedrate (format {number}; this one reads up to {FORMAT})")
    return number


def line_of(record: Record) -> dict[str, object]:
    """Give a line of raw results as plain values: its kind, the number of its format, its fields."""
    kind, *fields = encoded(record).items()
    return dict([kind, ("format", FORMAT), *fields])

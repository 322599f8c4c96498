"""The number of the format in which a line of raw results is written, and which of them this code reads."""

from __future__ import annotations

from collections.abc import Mapping

from feedrate.errors import DataError
from feedrate.records.codec import decoded_as

__all__ = ["FORMAT", "format_of"]

FORMAT = 2
"""What is written. 1, which lines without a number have: every gap between batches was kept, as `full_batch_s`."""
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

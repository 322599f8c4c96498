"""Read the lines of a file of raw results, each a record of its own: a bad one takes no other with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from feedrate.errors import DataError
from feedrate.records.columns import unpacked
from feedrate.records.format_number import format_of

__all__ = ["Decoder", "Placed", "Unreadable", "complaints", "placed_lines", "raw_lines"]

T = TypeVar("T")
Decoder = Callable[[Mapping[str, object]], T]
"""Makes a record of a line's values, or raises `DataError`."""
_SOME = 5
_DEEPEST = 64
"""Levels of lists and objects in one line: much more than any record has, much less than Python's stack takes."""
_PACKED_SINCE = 3
"""The first format whose lines hold columns."""


@dataclass(frozen=True)
class Unreadable:
    """Name a line that is no record, and what is wrong with it."""

    file: Path
    line: int
    why: str

    def __str__(self) -> str:
        return f"{self.file}: line {self.line} is left out: {self.why}"


@dataclass(frozen=True)
class Placed(Generic[T]):
    """Hold a record, and the line that it was read from."""

    record: T
    line: int
    """Its number in the file, from 1."""
    text: str
    """The line as it stands in the file."""


def complaints(lines: Sequence[Unreadable]) -> Iterator[str]:
    """Yield what is wrong with the first few of the lines, and how many more there are."""
    yield from map(str, lines[:_SOME])
    if len(lines) > _SOME:
        yield f"{lines[0].file}: {len(lines) - _SOME:,} more lines are left out"


def raw_lines(file: Path, decoders: Mapping[str, Decoder[T] | None]) -> Iterator[T | Unreadable]:
    """Yield what the lines hold, by the decoder of each one's `kind`; those whose decoder is None are passed over.

    Raises:
        DataError: the file cannot be read.
    """
    for placed in placed_lines(file, decoders):
        yield placed if isinstance(placed, Unreadable) else placed.record


def placed_lines(file: Path, decoders: Mapping[str, Decoder[T] | None]) -> Iterator[Placed[T] | Unreadable]:
    """Yield what the lines hold, each beside its line; raises like `raw_lines`."""
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    for record in _record(line, decoders):
                        yield Placed(record, number, line.decode("utf-8-sig").strip())
                except DataError as error:
                    yield Unreadable(file, number, str(error))
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror}") from None


def _record(line: bytes, decoders: Mapping[str, Decoder[T] | None]) -> Iterator[T]:
    if not line.strip():
        return
    raw = _object(_parsed(line))
    if format_of(raw) >= _PACKED_SINCE:
        raw = _object(unpacked(raw))
    kind = raw.get("kind")
    if not isinstance(kind, str) or kind not in decoders:
        raise DataError(f"its kind is none of {', '.join(decoders)}")
    decoder = decoders[kind]
    if decoder is not None:
        yield decoder(raw)


def _object(raw: object) -> Mapping[str, object]:
    if not isinstance(raw, dict):
        raise DataError("it is no object of JSON")
    return raw


def _parsed(line: bytes) -> object:
    try:
        raw: object = json.loads(line.decode("utf-8-sig"), parse_constant=_refused)
    except UnicodeDecodeError:
        raise DataError("it is not UTF-8") from None
    except RecursionError:
        raise DataError(f"it is nested deeper than {_DEEPEST} levels") from None
    except json.JSONDecodeError as error:
        raise DataError(f"it is cut off, or no JSON: {error.msg} at character {error.pos + 1}") from None
    # Python reads no number of more than some thousand digits.
    except ValueError:
        raise DataError("it holds a number that is too long") from None
    _demand_flat(raw)
    return raw


def _refused(constant: str) -> object:
    raise DataError(f"it holds {constant}, which is no number of JSON")


def _demand_flat(raw: object) -> None:
    """Refuse what is nested too deep, or holds a number that only looks finite, such as 1e999."""
    level = [raw]
    for _ in range(_DEEPEST):
        if not level:
            return
        below: list[object] = []
        for value in level:
            if isinstance(value, dict):
                below += value.values()
            elif isinstance(value, list):
                below += value
            elif isinstance(value, float) and value in (float("inf"), float("-inf")):
                raise DataError("it holds a number beyond what a float can be")
        level = below
    raise DataError(f"it is nested deeper than {_DEEPEST} levels")

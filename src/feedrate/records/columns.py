"""Write a list of like objects as one object of columns, where a key stands once, and read it back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeGuard

from feedrate.errors import DataError
from feedrate.records.column import in_full, shortened

__all__ = ["packed", "unpacked"]

_KEY = "columns"
"""The only key of an object that stands for a list."""
_RESERVED = re.compile(f"{_KEY}_*")
_MOST = 100_000
"""Values that one list may come to: a short line of constants could name more than there is memory for."""


def packed(value: object) -> object:
    """Give plain values with `{"columns": {...}}` in place of each list of two or more objects of the same keys.

    The first column is a list; any other of texts, numbers or nulls is what `shortened` makes of it.
    """
    if isinstance(value, Mapping):
        return {_escaped(key): packed(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return {_KEY: _columns(value)} if _are_alike(value) else [packed(item) for item in value]
    return value


def _are_alike(rows: Sequence[object]) -> bool:
    first = rows[0] if len(rows) > 1 else None
    if not isinstance(first, Mapping) or not 0 < len(rows) * len(first) <= _MOST:
        return False
    return all(isinstance(row, Mapping) and list(row) == list(first) for row in rows)


def _columns(rows: Sequence[Mapping[str, object]]) -> dict[str, object]:
    columns = {key: [row[key] for row in rows] for key in rows[0]}
    return {
        _escaped(key): shortened(column) if place and _are_scalars(column) else packed(column)
        for place, (key, column) in enumerate(columns.items())
    }


def _are_scalars(column: Sequence[object]) -> TypeGuard[Sequence[bool | float | str | None]]:
    return all(value is None or isinstance(value, (bool, int, float, str)) for value in column)


def unpacked(value: object, where: str = "") -> object:
    """Give plain values as they were before `packed`, their tuples as lists; each row is an object of its own.

    Raises:
        DataError: columns are of unlike lengths, none is a list, or they come to too many values; its text names them.
    """
    if isinstance(value, dict):
        if value.keys() == {_KEY}:
            return _rows(value[_KEY], where)
        return {_unescaped(key): unpacked(item, f"{where}.{key}" if where else key) for key, item in value.items()}
    if isinstance(value, list):
        return [unpacked(item, f"{where}[{place}]") for place, item in enumerate(value)]
    return value


def _rows(columns: object, where: str) -> list[object]:
    if not isinstance(columns, dict):
        raise DataError(f"{where or 'it'} has columns that are no object")
    values = {_unescaped(key): unpacked(column, f"{where}.{key}") for key, column in columns.items()}
    lengths = {len(column) for column in values.values() if isinstance(column, list)}
    if len(lengths) != 1:
        counts = " and ".join(map(str, sorted(lengths))) or "no"
        raise DataError(f"{where or 'it'} has columns of {counts} rows")
    (count,) = lengths
    if count * len(values) > _MOST:
        raise DataError(f"{where or 'it'} has {len(values):,} columns of {count:,} rows: no record has so many")
    full = [
        column if isinstance(column, list) else in_full(column, count, f"{where}.{key}")
        for key, column in values.items()
    ]
    return [dict(zip(values, row, strict=True)) for row in zip(*full, strict=True)]


def _escaped(key: str) -> str:
    return f"{key}_" if isinstance(key, str) and _RESERVED.fullmatch(key) else key


def _unescaped(key: str) -> str:
    return key.removesuffix("_") if _RESERVED.fullmatch(key) else key

"""Leave out of the values of records what reading the records fills in by itself: fields that have their default."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from types import NoneType, UnionType
from typing import Any

from feedrate.records.codec import Record, field_types, plain

__all__ = ["without_defaults"]


def without_defaults(cls: type[Record], rows: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    """Give the values of records of one class, as `encoded` made them, without the defaults of its fields.

    A field is left out where it has its default in all of them: like records stay alike. The same is done with the
    records inside. `decoded` gives the same records of both.
    """
    types, columns = field_types(cls), {}
    for key in rows[0] if rows else ():
        column = [row[key] for row in rows]
        # By their text: 0, 0.0, -0.0 and false are equal, and not the same.
        if {repr(value) for value in column} != {_defaults(cls).get(key)}:
            columns[key] = _without_defaults_inside(types.get(key), column)
    return [{key: column[place] for key, column in columns.items()} for place in range(len(rows))]


@cache
def _defaults(cls: type[Record]) -> dict[str, str]:
    """Give the text of the plain default of each field that has one."""
    return {name: repr(plain(default)) for name, default in _of_fields(cls)}


def _of_fields(cls: type[Record]) -> Iterator[tuple[str, object]]:
    for field in dataclasses.fields(cls):
        if field.default is not dataclasses.MISSING:
            yield field.name, field.default
        elif field.default_factory is not dataclasses.MISSING:
            yield field.name, field.default_factory()


def _without_defaults_inside(hint: Any, column: Sequence[object]) -> list[object]:
    """Shorten the records that a field holds, be it one or a list of them, in all the records that have it."""
    cls = _record_class(hint)
    if cls is None:
        return list(column)
    inside: list[Mapping[str, object]] = [
        item
        for value in column
        for item in (value if isinstance(value, list) else [value])
        if isinstance(item, Mapping)
    ]
    short = iter(without_defaults(cls, inside))
    return [
        [next(short) for _ in value] if isinstance(value, list) else None if value is None else next(short)
        for value in column
    ]


def _record_class(hint: Any) -> type[Record] | None:
    """Give the class of the records that an annotation names: alone, or None, or a tuple of them."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (UnionType, typing.Union):
        classes = [kind for kind in inner if kind is not NoneType]
        return _record_class(classes[0]) if len(classes) == 1 else None
    if origin is tuple:
        return _record_class(inner[0])
    return hint if isinstance(hint, type) and dataclasses.is_dataclass(hint) else None

"""Write frozen dataclasses as plain values that JSON holds, and read them back or name the field that is wrong."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, ClassVar, Protocol, TypeVar

from feedrate.errors import DataError

__all__ = ["Record", "decoded", "decoded_as", "encoded", "field_types", "plain"]


class Record(Protocol):
    """Stand for any instance of a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]


D = TypeVar("D", bound=Record)
_KIND = "kind"
"""Key, and class variable, that tells the classes of a union apart."""
_LARGEST = 1e100
"""Above it numbers overflow when they are squared and summed; nothing that is measured comes near."""
_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", Path: "a text"}


def encoded(record: Record) -> dict[str, object]:
    """Give the fields of a record as plain values, its `kind` first where its class has one."""
    kind = getattr(type(record), _KIND, None)
    values = {field.name: plain(getattr(record, field.name)) for field in dataclasses.fields(record)}
    return values if kind is None else {_KIND: kind} | values


def plain(value: object) -> object:
    """Give a value of a record as JSON can hold it; what it does not know is left as it is."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return encoded(value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def decoded(cls: type[D], raw: object, where: str = "") -> D:
    """Make an instance of a dataclass from what `encoded` gave; keys that it does not know are left out.

    Raises:
        DataError: a field is missing, of another type or no finite number; its text names the field.
    """
    if not isinstance(raw, Mapping):
        raise DataError(f"{where or 'it'} is {_brief(raw)}, not an object")
    hints, values = field_types(cls), {}
    for field in dataclasses.fields(cls):
        name = f"{where}.{field.name}" if where else field.name
        if field.name in raw:
            values[field.name] = decoded_as(hints[field.name], raw[field.name], name)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise DataError(f"{name} is missing")
    return cls(**values)


@cache
def field_types(cls: type[Record]) -> dict[str, Any]:
    """Give the annotation of each field of a dataclass, resolved."""
    return typing.get_type_hints(cls)


def decoded_as(hint: Any, raw: object, where: str = "") -> Any:
    """Make a value of the type that an annotation names; raises like `decoded`."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is object:
        return raw
    if origin in (UnionType, typing.Union):
        kinds = tuple(kind for kind in inner if kind is not NoneType)
        if raw is None and len(kinds) < len(inner):
            return None
        return decoded_as(kinds[0] if len(kinds) == 1 else _tagged(kinds, raw, where), raw, where)
    if origin is typing.Literal:
        return _known(inner, raw, where)
    if origin is tuple:
        return _items(inner[0], raw, where)
    if origin is not None and issubclass(origin, Mapping):
        return _entries(inner[1], raw, where)
    return _scalar(hint, raw, where) if hint in _WORDS else decoded(hint, raw, where)


def _tagged(classes: Iterable[Any], raw: object, where: str) -> Any:
    """Pick the class whose `kind` the value names."""
    kinds = {getattr(cls, _KIND): cls for cls in classes}
    if not isinstance(raw, Mapping):
        raise DataError(f"{where or 'it'} is {_brief(raw)}, not an object")
    name = f"{where}.{_KIND}" if where else _KIND
    if _KIND not in raw:
        raise DataError(f"{name} is missing")
    return kinds[_known(tuple(kinds), raw[_KIND], name)]


def _known(choices: tuple[Any, ...], raw: object, where: str) -> Any:
    if raw not in choices:
        raise DataError(f"{where} is {_brief(raw)}, not one of {', '.join(map(str, choices))}")
    return raw


def _items(hint: Any, raw: object, where: str) -> tuple[object, ...]:
    if isinstance(raw, str) or not isinstance(raw, Sequence):
        raise DataError(f"{where} is {_brief(raw)}, not a list")
    return tuple(decoded_as(hint, item, f"{where}[{place}]") for place, item in enumerate(raw))


def _entries(hint: Any, raw: object, where: str) -> dict[str, object]:
    if not isinstance(raw, Mapping):
        raise DataError(f"{where} is {_brief(raw)}, not an object")
    return {key: decoded_as(hint, item, f"{where}.{key}") for key, item in raw.items()}


def _scalar(hint: type, raw: object, where: str) -> object:
    if not _is(hint, raw):
        raise DataError(f"{where} is {_brief(raw)}, not {_WORDS[hint]}")
    # Written so that it holds of no NaN.
    if isinstance(raw, (int, float)) and not abs(raw) <= _LARGEST:
        raise DataError(f"{where} is {_brief(raw)}: no measurement gives that")
    return Path(str(raw)) if hint is Path else raw


def _is(hint: type, raw: object) -> bool:
    if hint is bool or isinstance(raw, bool):
        return hint is bool and isinstance(raw, bool)
    if hint is int:
        return isinstance(raw, int) or (isinstance(raw, float) and raw.is_integer())
    return isinstance(raw, (int, float) if hint is float else str)


def _brief(raw: object) -> str:
    """Say in a word or a few what a value is."""
    if isinstance(raw, Mapping):
        return "an object"
    if isinstance(raw, Sequence) and not isinstance(raw, str):
        return "a list"
    text = {None: "null", True: "true", False: "false"}[raw] if raw is None or isinstance(raw, bool) else repr(raw)
    return text if len(text) <= 40 else f"{text[:40]} ..."

"""Plain values, as JSON holds them, back into the frozen classes that they were written from, or what is wrong."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping, Sequence
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar

from feedrate.errors import DataError

__all__ = ["decoded"]

D = TypeVar("D")
_LARGEST = 1e100
"""Above it numbers overflow when they are squared and summed; nothing that is measured comes near."""
_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def decoded(cls: type[D], raw: object, where: str = "") -> D:
    """An instance of a dataclass from the values of its fields; keys that it does not know are left out.

    Raises:
        DataError: a field is missing, of another type or no finite number; its text names the field.
    """
    if not isinstance(raw, Mapping):
        raise DataError(f"{where or 'it'} is {_brief(raw)}, not an object")
    # A class is hashable, whatever its instances are.
    hints, values = _hints(typing.cast("object", cls)), {}
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        name = f"{where}.{field.name}" if where else field.name
        if field.name in raw:
            values[field.name] = _value(hints[field.name], raw[field.name], name)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise DataError(f"{name} is missing")
    return cls(**values)


@cache
def _hints(cls: object) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _value(hint: Any, raw: object, where: str) -> object:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is object:
        return raw
    if origin in (UnionType, typing.Union):
        (kind,) = (kind for kind in inner if kind is not NoneType)
        return None if raw is None else _value(kind, raw, where)
    if origin is typing.Literal:
        return _known(inner, raw, where)
    if origin is tuple:
        return _items(inner[0], raw, where)
    if origin is not None and issubclass(origin, Mapping):
        return _entries(inner[1], raw, where)
    return _plain(hint, raw, where) if hint in _WORDS else decoded(hint, raw, where)


def _known(choices: tuple[object, ...], raw: object, where: str) -> object:
    if raw not in choices:
        raise DataError(f"{where} is {_brief(raw)}, not one of {', '.join(map(str, choices))}")
    return raw


def _items(hint: Any, raw: object, where: str) -> tuple[object, ...]:
    if isinstance(raw, str) or not isinstance(raw, Sequence):
        raise DataError(f"{where} is {_brief(raw)}, not a list")
    return tuple(_value(hint, item, f"{where}[{place}]") for place, item in enumerate(raw))


def _entries(hint: Any, raw: object, where: str) -> dict[str, object]:
    if not isinstance(raw, Mapping):
        raise DataError(f"{where} is {_brief(raw)}, not an object")
    return {key: _value(hint, item, f"{where}.{key}") for key, item in raw.items()}


def _plain(hint: type, raw: object, where: str) -> object:
    if not _is(hint, raw):
        raise DataError(f"{where} is {_brief(raw)}, not {_WORDS[hint]}")
    # Written so that it holds of no NaN.
    if isinstance(raw, (int, float)) and not abs(raw) <= _LARGEST:
        raise DataError(f"{where} is {_brief(raw)}: no measurement gives that")
    return raw


def _is(hint: type, raw: object) -> bool:
    if hint is bool or isinstance(raw, bool):
        return hint is bool and isinstance(raw, bool)
    if hint is int:
        return isinstance(raw, int) or (isinstance(raw, float) and raw.is_integer())
    return isinstance(raw, (int, float) if hint is float else hint)


def _brief(raw: object) -> str:
    """What a value is, in a word or a few."""
    if isinstance(raw, Mapping):
        return "an object"
    if isinstance(raw, Sequence) and not isinstance(raw, str):
        return "a list"
    text = {None: "null", True: "true", False: "false"}[raw] if raw is None or isinstance(raw, bool) else repr(raw)
    return text if len(text) <= 40 else f"{text[:40]} ..."

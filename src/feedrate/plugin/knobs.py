"""Declare knobs, the fields of a strategy that users may set, and check their values."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeGuard, TypeVar, cast

__all__ = ["Knob", "Value", "kinds", "knob", "near", "text"]

T = TypeVar("T")
Value = bool | int | float | str | None
_MANY = 1_000_000
_NAMES: dict[object, str] = {
    type(None): "auto",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a word",
}
"""The types a knob may have, in words."""


def knob(default: T, *others: T, low: float | None = None, high: float | None = None, also: tuple[T, ...] = ()) -> T:
    """Make a field of a strategy that users may turn: its default, then the other values that a sweep tries.

    Of a number, any value from `low` to `high` is taken. Undeclared, they are 1 and a million, or wide enough for the
    values that are given here. `also`: words that are taken, and that no sweep tries.

    Raises:
        ValueError: one of the values is outside, or none is a number and there is a range.
    """
    values = (default, *others)
    declared = Knob("", cast("tuple[Value, ...]", values), low, high)
    if (low, high) != (None, None) and not declared.is_number and default is not None:
        raise ValueError(f"knob({default!r}): a range is for numbers")
    for value in values:
        if _is_number(value) and not declared.least <= value <= declared.most:
            raise ValueError(f"knob({value!r}) is out of its own range: {declared.range}")
    about = {"sweep": values, "low": low, "high": high, "also": also}
    field: T = dataclasses.field(default=default, metadata=about)
    return field


@dataclass(frozen=True)
class Knob:
    """What a field of a strategy can be turned to."""

    name: str
    values: tuple[Value, ...]
    """Those that a sweep tries, the default first."""
    low: float | None = None
    high: float | None = None
    kinds: tuple[object, ...] = ()
    """Types of its values; empty: not known."""
    also: tuple[Value, ...] = ()
    """Further words that it can be turned to."""

    @classmethod
    def of(cls, field: dataclasses.Field[Any], kinds: tuple[object, ...] = ()) -> Knob:
        """Give the knob that a field is; one that was not made with `knob` has its default for its only value."""
        about = field.metadata
        values = about.get("sweep", (field.default,))
        return cls(field.name, values, about.get("low"), about.get("high"), kinds, about.get("also", ()))

    @property
    def choices(self) -> tuple[Value, ...]:
        """The values that are named, those that no sweep tries last."""
        return (*self.values, *self.also)

    @property
    def is_number(self) -> bool:
        """Whether it takes numbers."""
        return bool(set(self.kinds) & {int, float}) or bool(self._numbers)

    @property
    def least(self) -> float:
        """The smallest number it takes."""
        if self.low is not None:
            return self.low
        own = min(self._numbers, default=1)
        return 1 if own >= 1 else min(0, own)

    @property
    def most(self) -> float:
        """The largest number it takes."""
        return max(_MANY, *self._numbers, 0) if self.high is None else self.high

    @property
    def range(self) -> str:
        """Its range, in words."""
        return f"{self.least:,} to {self.most:,}"

    def parsed(self, written: str) -> Value:
        """Read the value that a text stands for.

        Raises:
            ValueError: for none.
        """
        unknown = [kind for kind in self.kinds if kind not in _NAMES]
        if unknown or not self.kinds:
            known = ", ".join(kind.__name__ for kind in _NAMES if isinstance(kind, type) and kind is not type(None))
            raise ValueError(f"{self.name} cannot be set: its type is none of {known}, alone or with None")
        for kind in self.kinds:
            for value in _values(written, kind):
                return value
        raise ValueError(f"{self.name}={written} is not {self._kinds}")

    def fault(self, value: Value) -> str:
        """Say what is wrong with a value; empty when it may be had."""
        if any(kind not in _NAMES for kind in self.kinds):
            return ""
        setting = f"{self.name}={text(value)}"
        if self.kinds and not any(_is(value, kind) for kind in self.kinds):
            return f"{setting} is not {self._kinds}"
        if isinstance(value, str) and value not in self.choices:
            names = [str(choice) for choice in self.choices]
            return f"{setting} is not one of {', '.join(names)}; {near(value, names)}"
        # Written so that it holds of no NaN.
        if _is_number(value) and not self.least <= value <= self.most:
            return f"{setting} is out of range: {self.range}"
        return ""

    @property
    def _numbers(self) -> list[int | float]:
        return [value for value in self.values if _is_number(value)]

    @property
    def _kinds(self) -> str:
        return " or ".join(_NAMES[kind] for kind in self.kinds)


def kinds(hint: object) -> tuple[object, ...]:
    """Give the types that an annotation allows."""
    return typing.get_args(hint) or (hint,)


def text(value: object) -> str:
    """Write a value as it stands in a strategy's name."""
    return "auto" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def near(name: str, known: Iterable[str]) -> str:
    """Give a sentence with the names that resemble `name`, or with all there are."""
    names = sorted(known)
    close = get_close_matches(name, names, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else f"there are: {', '.join(names) or 'none'}"


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is(value: object, kind: object) -> bool:
    if kind is float:
        return _is_number(value)
    return isinstance(kind, type) and isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _values(written: str, kind: object) -> Iterator[Value]:
    """Yield what a text stands for as a value of that type; nothing where it stands for none."""
    if kind is type(None):
        yield from (None,) if written == "auto" else ()
    elif kind is bool:
        yield from (value for word, value in (("true", True), ("false", False)) if word == written.lower())
    elif kind is str:
        yield written
    else:
        with suppress(ValueError):
            yield int(written) if kind is int else float(written)

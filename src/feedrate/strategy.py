"""What loaders, steps and workloads have in common: a name, knobs and needs."""

from __future__ import annotations

import dataclasses
import itertools
import re
import sys
import typing
from abc import ABC
from dataclasses import MISSING, dataclass
from difflib import get_close_matches
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from feedrate.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["Need", "Strategy", "cuda", "knob", "near", "package", "split_spec"]

T = TypeVar("T")
S = TypeVar("S", bound="Strategy")
Value = bool | int | float | str | None


def knob(default: T, *others: T) -> T:
    """A field of a strategy that users may turn: its default, then the other values that a sweep tries."""
    field: T = dataclasses.field(default=default, metadata={"sweep": (default, *others)})
    return field


@dataclass(frozen=True)
class Need:
    """Something a strategy cannot run without."""

    what: str
    met: typing.Callable[[], bool]
    hint: str

    @property
    def reason(self) -> str:
        """Why a strategy that has this unmet need cannot run, and the way out."""
        return f"needs {self.what}: {self.hint}"


def _has_cuda() -> bool:
    if "torch" in sys.modules:
        return bool(sys.modules["torch"].cuda.is_available())
    from feedrate.machine import gpus

    return bool(gpus())


cuda = Need("a CUDA device", _has_cuda, "run on a machine with an NVIDIA GPU and a CUDA build of torch")


def package(module: str, distribution: str = "") -> Need:
    """Need an importable module; `distribution` is what pip calls it, if that differs."""
    return Need(
        f"the package {module!r}", lambda: _importable(module), f"`pip install {distribution or module}` provides it"
    )


def _importable(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


class Strategy(ABC):
    """A named idea with knobs. Subclasses are frozen dataclasses without a constructor of their own."""

    name: ClassVar[str]
    needs: ClassVar[tuple[Need, ...]] = ()
    hidden: ClassVar[bool] = False
    """Kept out of the default matrix; runs when asked for by name."""

    def __str__(self) -> str:
        turned = [f"{key}={_text(value)}" for key, value in self.knobs.items() if value != self.defaults()[key]]
        return f"{self.name}[{','.join(turned)}]" if turned else self.name

    @property
    def knobs(self) -> dict[str, Value]:
        """The value of every knob."""
        return {field.name: getattr(self, field.name) for field in _fields(type(self))}

    @classmethod
    def defaults(cls) -> dict[str, Value]:
        """The default of every knob."""
        return {field.name: cast("Value", field.default) for field in _fields(cls)}

    @classmethod
    def sweeps(cls) -> dict[str, tuple[Value, ...]]:
        """The values that a sweep tries, by knob, the default first."""
        return {field.name: field.metadata.get("sweep", (field.default,)) for field in _fields(cls)}

    @classmethod
    def unmet(cls) -> tuple[Need, ...]:
        """Needs that this machine does not meet."""
        return tuple(need for need in cls.needs if not need.met())

    def turned(self: S, knobs: Mapping[str, str]) -> S:
        """A copy with knobs set from text, as in `workers[count=2]`.

        Raises:
            UsageError: there is no such knob, or the text is no value for it.
        """
        values = {key: self._parsed(key, text) for key, text in knobs.items()}
        try:
            return dataclasses.replace(self, **values)  # type: ignore[type-var]
        except ValueError as error:
            raise UsageError(f"{self.name}: {error}") from None

    def _parsed(self, key: str, text: str) -> Value:
        if key not in self.knobs:
            raise UsageError(f"{self.name}: no knob {key!r}; {near(key, self.knobs)}")
        hint = typing.get_type_hints(type(self))[key]
        kinds = typing.get_args(hint) or (hint,)
        for kind in kinds:
            value = _value(text, kind)
            if value is not MISSING:
                return self._allowed(key, cast("Value", value))
        raise UsageError(f"{self.name}: {key}={text} is not {' or '.join(map(_kind_name, kinds))}")

    def _allowed(self, key: str, value: Value) -> Value:
        choices = self.sweeps()[key]
        if isinstance(value, str) and value not in choices:
            names = [str(choice) for choice in choices]
            raise UsageError(f"{self.name}: {key}={value} is not one of {', '.join(names)}; {near(value, names)}")
        return value

    def swept(self: S) -> Iterator[S]:
        """Every combination of the values that the knobs' sweeps list, this strategy's own values first."""
        sweeps = {key: list(dict.fromkeys((self.knobs[key], *values))) for key, values in self.sweeps().items()}
        for values in itertools.product(*sweeps.values()):
            yield dataclasses.replace(self, **dict(zip(sweeps, values, strict=True)))  # type: ignore[type-var]


def _fields(cls: type[Strategy]) -> Iterable[dataclasses.Field[Any]]:
    return dataclasses.fields(cls)  # type: ignore[arg-type]


def _text(value: Value) -> str:
    return "auto" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _kind_name(kind: type) -> str:
    return {type(None): "auto", bool: "true or false", int: "a whole number", float: "a number"}.get(kind, "a word")


def _value(text: str, kind: type) -> object:
    """`text` as that type, or MISSING."""
    if kind is type(None):
        return None if text == "auto" else MISSING
    if kind is bool:
        return {"true": True, "false": False}.get(text.lower(), MISSING)
    try:
        return kind(text)
    except ValueError:
        return MISSING


def near(name: str, known: Iterable[str]) -> str:
    """A sentence with the names that resemble `name`, or with all there are."""
    names = sorted(known)
    close = get_close_matches(name, names, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else f"there are: {', '.join(names) or 'none'}"


_SPEC = re.compile(r"(?P<name>[\w.-]+)(?:\[(?P<knobs>[^\[\]]*)\])?")


def split_spec(text: str) -> tuple[str, dict[str, str]]:
    """`workers[count=2,cast=host]` as a name and the texts of its knobs.

    Raises:
        UsageError: it is not of that form.
    """
    match = _SPEC.fullmatch(text.strip())
    pairs = [pair.partition("=") for pair in (match["knobs"] or "").split(",") if pair] if match else []
    if match is None or any(not equals or not value for _, equals, value in pairs):
        raise UsageError(f"{text!r} is not of the form name or name[knob=value,...]")
    return match["name"], {key.strip(): value.strip() for key, _, value in pairs}

"""What loaders, steps and workloads have in common: a name, knobs and needs."""

from __future__ import annotations

import dataclasses
import itertools
import typing
from abc import ABCMeta
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from feedrate.errors import UsageError
from feedrate.plugin.knobs import Knob, Value, kinds, knob, near, text
from feedrate.plugin.needs import Need, cuda, lacking, package

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["Need", "Strategy", "cuda", "knob", "near", "package"]

S = TypeVar("S", bound="Strategy")


class _Checked(ABCMeta):
    """Makes strategies whose knobs hold what they may, whoever asks: a command line, a sweep or a program."""

    def __call__(cls, *values: Any, **named: Any) -> Any:
        strategy = super().__call__(*values, **named)
        strategy.demand_values()
        return strategy


class Strategy(metaclass=_Checked):
    """A named idea with knobs. Subclasses are frozen dataclasses without a constructor of their own."""

    name: ClassVar[str]
    needs: ClassVar[tuple[Need, ...]] = ()
    hidden: ClassVar[bool] = False
    """Kept out of the default matrix and of lists; runs when asked for by name."""
    on_request: ClassVar[bool] = False
    """Listed, and kept out of the default matrix; runs when asked for by name."""
    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]
    """Every subclass is a dataclass, and has it from there."""

    def __str__(self) -> str:
        changed = [f"{key}={text(value)}" for key, value in self.knobs.items() if value != self.defaults()[key]]
        return f"{self.name}[{','.join(changed)}]" if changed else self.name

    @property
    def is_default(self) -> bool:
        """Whether it runs where nothing is named."""
        return not (self.hidden or self.on_request)

    @property
    def knobs(self) -> dict[str, Value]:
        """The value of every knob."""
        return {field.name: getattr(self, field.name) for field in _fields(type(self))}

    @classmethod
    def defaults(cls) -> dict[str, Value]:
        """Give the default of every knob."""
        return {field.name: cast("Value", field.default) for field in _fields(cls)}

    @classmethod
    def knob_values(cls) -> dict[str, tuple[Value, ...]]:
        """Give the values that a sweep tries, by knob, the default first."""
        return {field.name: field.metadata.get("sweep", (field.default,)) for field in _fields(cls)}

    @classmethod
    def knob_choices(cls) -> dict[str, tuple[Value, ...]]:
        """Give the values that are named, by knob: those of a sweep, then words that none tries."""
        also = {field.name: field.metadata.get("also", ()) for field in _fields(cls)}
        return {name: (*values, *also[name]) for name, values in cls.knob_values().items()}

    @classmethod
    def unmet_needs(cls) -> tuple[Need, ...]:
        """Give the needs that this machine does not meet."""
        return tuple(unmet for need in cls.needs if (unmet := lacking(need)))

    def with_knobs(self: S, knobs: Mapping[str, str]) -> S:
        """Copy the strategy with knobs set from text, as in `workers[count=2]`.

        Raises:
            UsageError: there is no such knob, or the text is no value for it.
        """
        values = {key: self._parsed(key, written) for key, written in knobs.items()}
        try:
            return dataclasses.replace(self, **values)
        except ValueError as error:
            raise UsageError(f"{self.name}: {error}") from None

    def demand_values(self) -> None:
        """Look at every field that was made with `knob`.

        Raises:
            UsageError: it holds what it must not: another type, a number out of range, an unknown word.
        """
        for field in _fields(type(self)):
            value = getattr(self, field.name)
            # Defaults are right by declaration, and finding out types is slow.
            if "sweep" in field.metadata and (value is not field.default):
                self._demand(self._knob(field.name), value)

    @classmethod
    def ranges(cls) -> dict[str, tuple[float, float]]:
        """Give the least and the largest value of every knob that takes numbers."""
        return {known.name: (known.least, known.most) for known in cls.declared() if known.is_number}

    @classmethod
    def declared(cls) -> tuple[Knob, ...]:
        """Give every knob as it was declared: its values, its range, its types."""
        return tuple(cls._knob(field.name) for field in _fields(cls))

    @classmethod
    def _knob(cls, name: str) -> Knob:
        field = next(field for field in _fields(cls) if field.name == name)
        return Knob.of(field, kinds(typing.get_type_hints(cls).get(name)))

    def _parsed(self, key: str, written: str) -> Value:
        if key not in self.knobs:
            raise UsageError(f"{self.name}: no knob {key!r}; {near(key, self.knobs)}")
        declared = self._knob(key)
        try:
            value = declared.parsed(written)
        except ValueError as error:
            raise UsageError(f"{self.name}: {error}") from None
        self._demand(declared, value)
        return value

    def _demand(self, declared: Knob, value: Value) -> None:
        fault = declared.fault(value)
        if fault:
            raise UsageError(f"{self.name}: {fault}")

    def sweep(self: S) -> Iterator[S]:
        """Yield every combination of the values that the knobs' sweeps list, this strategy's own values first."""
        tried = {key: list(dict.fromkeys((self.knobs[key], *values))) for key, values in self.knob_values().items()}
        for values in itertools.product(*tried.values()):
            yield dataclasses.replace(self, **dict(zip(tried, values, strict=True)))


def _fields(cls: type[Strategy]) -> Iterable[dataclasses.Field[Any]]:
    return [field for field in dataclasses.fields(cls) if field.metadata.get("knob", True)]

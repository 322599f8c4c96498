"""Check names that stand in a cell's key, a file's name and a page."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterator

from feedrate.plugin.strategy import Strategy

__all__ = ["faults", "name_fault"]

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_RULE = "it must be 1 to 64 of A-Z a-z 0-9 _ . -"


def name_fault(name: object) -> str:
    """Give the rule that a name breaks; empty when it breaks none."""
    return "" if isinstance(name, str) and _NAME.fullmatch(name) else _RULE


def faults(strategy: Strategy) -> Iterator[str]:
    """Yield what is wrong with the name of a strategy, or with names and words of its knobs."""
    name = getattr(strategy, "name", None)
    if name_fault(name):
        yield f"{type(strategy).__name__} has the name {reprlib.repr(name)}; {_RULE}"
        return
    for knob, values in strategy.knob_choices().items():
        if name_fault(knob):
            yield f"{name} has a knob {reprlib.repr(knob)}; {_RULE}"
        # A default is never written out: it is what a name without the knob means.
        words = (value for value in values[1:] if isinstance(value, str))
        yield from (f"{name} has {knob}={reprlib.repr(word)}; {_RULE}" for word in words if name_fault(word))

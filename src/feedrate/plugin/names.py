"""Names that can stand in a cell's key, a file's name and a page, and what is said of others."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterator

from feedrate.plugin.strategy import Strategy

__all__ = ["faults"]

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_RULE = "it must be 1 to 64 of A-Z a-z 0-9 _ . -"


def faults(strategy: Strategy) -> Iterator[str]:
    """Yield what is wrong with the name of a strategy, or with names and words of its knobs."""
    name = getattr(strategy, "name", None)
    if not _fits(name):
        yield f"{type(strategy).__name__} has the name {reprlib.repr(name)}; {_RULE}"
        return
    for knob, values in strategy.sweeps().items():
        if not _fits(knob):
            yield f"{name} has a knob {reprlib.repr(knob)}; {_RULE}"
        # A default is never written out: it is what a name without the knob means.
        words = (value for value in values[1:] if isinstance(value, str))
        yield from (f"{name} has {knob}={reprlib.repr(word)}; {_RULE}" for word in words if not _fits(word))


def _fits(name: object) -> bool:
    return isinstance(name, str) and _NAME.fullmatch(name) is not None

"""Add up where the time of this process goes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TypeAlias

from feedrate.records.phases import Phases
from feedrate.system.stopwatch import now_s

__all__ = ["Phase", "PhaseClock"]

Phase: TypeAlias = Literal["data", "build", "compile", "warm_up", "checks", "windows", "discards", "memory", "ablation"]
"""What a process does; `processes` is what its parent finds left over."""


class PhaseClock:
    """Add up seconds by phase. A phase inside another one takes its own time out of the outer one's."""

    def __init__(self) -> None:
        self._spent_s: defaultdict[str, float] = defaultdict(float)
        self._open: list[str] = []
        self._since_s = 0.0

    @contextmanager
    def phase(self, name: Phase) -> Iterator[None]:
        """Count the time inside the block for `name`."""
        self._turn()
        self._open.append(name)
        try:
            yield
        finally:
            self._turn()
            self._open.pop()

    def _turn(self) -> None:
        """Give the time since the last turn to the innermost phase that is open."""
        now = now_s()
        if self._open:
            self._spent_s[self._open[-1]] += now - self._since_s
        self._since_s = now

    def phases(self) -> Phases:
        """Give the seconds so far."""
        return Phases(**{f"{name}_s": seconds for name, seconds in self._spent_s.items()})

"""Say where the time of a run went: by phase, summed over all measured processes."""

from __future__ import annotations

from collections.abc import Iterable

from feedrate.records.measurement import Measurement, Outcome
from feedrate.records.phases import summed

__all__ = ["time_spent"]

_WORDS = {"warm_up": "warm-up", "build": "models built", "windows": "timed windows"}
"""Phases whose field is not what a reader would call them."""


def time_spent(outcomes: Iterable[Outcome], total_s: float, rest: str) -> str:
    """Write the total and what it is made of, the longest first; `rest` names what no process was measured in."""
    phases = summed(
        outcome.phases for outcome in outcomes if isinstance(outcome, Measurement) and outcome.phases is not None
    )
    parts = [(_WORDS.get(name, name), seconds) for name, seconds in phases.items()]
    parts.append((rest, max(0.0, total_s - phases.total_s)))
    longest = sorted(parts, key=lambda part: -part[1])
    return f"{_clock(total_s)}: {', '.join(f'{name} {_clock(seconds)}' for name, seconds in longest if seconds >= 0.5)}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"

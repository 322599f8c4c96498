"""Say where the time of a run went: by phase, summed over all measured processes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from feedrate.records.measurement import Measurement, Outcome
from feedrate.records.phases import summed

__all__ = ["time_spent"]

_WORDS = {"warm_up": "warm-up", "build": "models built", "windows": "timed windows"}
"""Phases whose field is not what a reader would call them."""


def time_spent(outcomes: Iterable[Outcome], total_s: float, outside_s: Mapping[str, float], rest: str) -> str:
    """Write the total and what it is made of, the longest first.

    `outside_s` holds, by name, seconds of which no measured process knows; `rest` names what is left besides.
    """
    phases = summed(
        outcome.phases for outcome in outcomes if isinstance(outcome, Measurement) and outcome.phases is not None
    )
    parts = [(_WORDS.get(name, name), seconds) for name, seconds in phases.items()]
    parts += outside_s.items()
    parts.append((rest, max(0.0, total_s - sum(seconds for _, seconds in parts))))
    longest = sorted(parts, key=lambda part: -part[1])
    return f"{_clock(total_s)}: {', '.join(f'{name} {_clock(seconds)}' for name, seconds in longest if seconds >= 0.5)}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"

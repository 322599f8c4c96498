"""List cases of steps that are busy in Python, or starting operators, each beside its healthy twin."""

from __future__ import annotations

from feedrate.calibration.case import Case

__all__ = ["OVERHEAD_CASES"]

_S = 0.1
"""What the books cost is several times what the training costs: little time tells it."""

OVERHEAD_CASES: tuple[Case, ...] = (
    Case("a bar drawn at each step", "resident", "bookkeeping", verdict="python", seconds=_S),
    Case("a bar drawn once a second", "resident", "bookkeeping[frugal=true]", healthy="python", seconds=_S),
    Case("a metric number by number", "resident", "bookkeeping[books=metric]", verdict="python", seconds=_S),
    Case(
        "a metric in one operation", "resident", "bookkeeping[books=metric,frugal=true]", healthy="python", seconds=_S
    ),
    Case("scalars read one by one", "resident", "bookkeeping[books=scalars]", verdict="launch", seconds=_S),
    Case("scalars read at once", "resident", "bookkeeping[books=scalars,frugal=true]", healthy="launch", seconds=_S),
    Case("counters one by one", "resident", "bookkeeping[books=counters]", verdict="launch", seconds=_S),
    Case("counters in one tensor", "resident", "bookkeeping[books=counters,frugal=true]", healthy="launch", seconds=_S),
)

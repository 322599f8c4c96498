"""What the numbers of a cell must exceed to mean something; docs/decisions/0007-verdict.md says why."""

from __future__ import annotations

__all__ = [
    "BOUND",
    "BOUNDARY",
    "BUSY",
    "CONFIRMED",
    "EXPLAINED",
    "FULL_RATE",
    "MANY",
    "SERIAL",
    "SEVERAL",
    "SLOWED",
    "SMALL_S",
    "STARTUP_EPOCHS",
    "STARTUP_S",
    "SUM",
    "TOGETHER",
    "TOLD",
    "TURNS",
    "UNSURE",
    "WORTH_OVERLAPPING",
]

BOUND = 1.1
"""T_F is explained by one of its sides alone when it is no more than so many times that side."""
TOGETHER = 1.15
"""The same for a side that was measured beside the other, which is the less exact measurement."""
SLOWED = 0.5
"""What the slower side loses beside the other must make up so much of what T_F exceeds it by, if that is contention."""
SERIAL = 0.3
"""Less overlap than this is none."""
TURNS = 0.5
"""What the quicker side takes must make up so much of what T_F exceeds the slower side by, if they take turns."""
SUM = 1.25
"""Both together slower than one after the other by more than this: something else had the machine."""
MANY = 20
"""Replicates that nobody waits for."""
WORTH_OVERLAPPING = 0.25
"""Beside a loader so many times slower than the step, or more, overlap gains less than a faster loader could."""
UNSURE = (0.05, 0.25)
"""Stall shares: an interval that reaches from below the first to above the second says nothing."""
TOLD = 0.4
"""Share of the stall that a stage must have to be named."""
SEVERAL = 3
"""Replicates from which on a stage's part must be clear of its interval: that of two is nine deviations wide."""
STARTUP_EPOCHS, STARTUP_S = 3.0, 0.3
"""Waiting longer for the first batch than so many epochs take, and than this, is what a user notices."""
BOUNDARY = 0.5
"""Share of the stall that falls to the beginnings of epochs."""
EXPLAINED = 0.25
"""Share of T_F that the parts may leave unexplained."""
BUSY = 0.6
"""Share of the step in which a device is busy; below, the host holds it back."""
FULL_RATE = 0.05
"""Share of the peak below which many small operators are what the step is busy with, on the CPU."""
SMALL_S = 20e-6
"""Seconds an operator takes on average when its dispatch costs as much as its work."""
CONFIRMED = 0.5
"""Share of a delay that must come back if the stage that it was put into binds."""

"""Measure whether this processor takes longer for denormal numbers: some of today's do not."""

from __future__ import annotations

from functools import cache

import numpy as np

from feedrate.plugin.strategy import Need
from feedrate.system.stopwatch import now_s

__all__ = ["denormal_slowdown", "slow_denormals"]

_NUMBERS = 1 << 16
_TRIES = 20
_NOTABLE = 2.0


@cache
def denormal_slowdown() -> float:
    """Divide the time that a product of denormal float32 takes by that of ordinary ones."""
    return _product_s(1e-41) / _product_s(1.0)


def _product_s(value: float) -> float:
    """The shortest of some tries: whoever disturbs only makes it longer."""
    numbers, product = np.full(_NUMBERS, value, np.float32), np.empty(_NUMBERS, np.float32)
    taken_s: list[float] = []
    for _ in range(_TRIES):
        start = now_s()
        np.multiply(numbers, np.float32(0.75), out=product)
        taken_s.append(now_s() - start)
    return min(taken_s)


slow_denormals = Need(
    "slow denormal numbers",
    lambda: denormal_slowdown() > _NOTABLE,
    f"this processor takes less than x{_NOTABLE:g} as long for them as for others, so they slow no step here",
)

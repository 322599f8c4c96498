"""Waiting for a machine that others use now and then to be left alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

_LOOK_S = 0.3
_BUSY_CORES = 0.25
"""Of others, above which a measurement beside them may say INVALID."""


@dataclass
class Patience:
    """So many seconds that may be waited in vain, all in all."""

    left_s: float

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Return once it holds, or patience is at its end; asking it takes the time that passes."""
        while self.left_s > 0:
            start = time.monotonic()
            if condition():
                return
            self.left_s -= time.monotonic() - start


def left_alone() -> bool:
    """Whether nobody, neither here nor on the machine beneath, kept the cores busy for a moment."""
    return psutil.cpu_percent(interval=_LOOK_S) / 100 * (psutil.cpu_count() or 1) < _BUSY_CORES

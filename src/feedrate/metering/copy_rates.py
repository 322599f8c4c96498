"""How fast this machine copies to its device, from memory that is page-locked and from memory that is not."""

from __future__ import annotations

import json
import statistics
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import torch

from feedrate.loading.accelerator import accelerator_of
from feedrate.records.copy_rates import CopyRates
from feedrate.system.stopwatch import now_s

if TYPE_CHECKING:
    from torch import Tensor

    from feedrate.loading.accelerator import Accelerator

__all__ = ["copy_rates", "copy_rates_beside"]

_BYTES = 128 << 20
_TIMES = 7
_SHARE = 0.25
"""Of what is free on a device: the most that a copy takes where a model lives beside it."""


def copy_rates(device: Accelerator, nbytes: int = _BYTES, times: int = _TIMES) -> CopyRates:
    """Copy so many bytes several times from either kind of memory; the median of their rates, the first left out."""
    target = device.empty((nbytes,), torch.uint8)
    # Written to, so that its pages are there.
    pageable, locked = torch.ones(nbytes, dtype=torch.uint8), device.page_locked(nbytes).fill_(1)
    return CopyRates(*(_rate(device, target, source, times) for source in (pageable, locked)))


def copy_rates_beside(device: Accelerator) -> CopyRates | None:
    """Do so with a quarter of what is free there at most; None: there is no room on the device or on the host."""
    try:
        return copy_rates(device, min(_BYTES, int(_SHARE * device.free_bytes())))
    except RuntimeError:
        return None


def _rate(device: Accelerator, target: Tensor, source: Tensor, times: int) -> float:
    took_s = []
    with device.using(None):
        for _ in range(times + 1):
            device.synchronize()
            start = now_s()
            target.copy_(source, non_blocking=True)
            device.synchronize()
            took_s.append(now_s() - start)
    return source.nbytes / statistics.median(took_s[1:])


if __name__ == "__main__":
    accelerator = accelerator_of(sys.argv[1])
    if accelerator is None:
        raise SystemExit(f"nothing is copied to {sys.argv[1]}")
    print(json.dumps(asdict(copy_rates(accelerator))))

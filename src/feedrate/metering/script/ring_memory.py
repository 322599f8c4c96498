"""Slots that processes share, of memory that the system gives as it is written to, and takes back when all are gone."""

from __future__ import annotations

import mmap
import os
from multiprocessing.reduction import DupFd
from typing import Any

import torch
from torch import Tensor

__all__ = ["SLOT_BYTES", "RingMemory"]

SLOT_BYTES = 1 << 30
"""Largest batch that a slot holds; what is not written to takes no memory."""


class RingMemory:
    """So many slots for each of so many workers, without a name in any folder."""

    def __init__(self, workers: int, slots: int, descriptor: int | None = None) -> None:
        """Make it, or map that of a descriptor, which becomes this one's.

        Raises:
            OSError: the system gives none.
        """
        self._workers, self._slots, size = workers, slots, workers * slots * SLOT_BYTES
        self._descriptor = os.memfd_create("feedrate-ring") if descriptor is None else descriptor
        try:
            if descriptor is None:
                os.ftruncate(self._descriptor, size)
            flat = torch.frombuffer(mmap.mmap(self._descriptor, size), dtype=torch.uint8)
        except BaseException:
            self.close()
            raise
        self.tensor: Tensor = flat.view(workers, slots, SLOT_BYTES)
        """uint8 (workers, slots, `SLOT_BYTES`); valid as long as anybody refers to it."""

    def close(self) -> None:
        """Let go of the descriptor, which only workers that start by spawning need; twice is no mistake."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __reduce__(self) -> tuple[Any, ...]:
        return _mapped, (self._workers, self._slots, DupFd(self._descriptor))


def _mapped(workers: int, slots: int, descriptor: Any) -> RingMemory:
    return RingMemory(workers, slots, descriptor.detach())

"""Lend buffers that batches are written into and that return when the consumer has let go."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

import torch

from feedrate.loading.batch import Batch
from feedrate.loading.column import ROW_ID, torch_dtype

if TYPE_CHECKING:
    from torch import Tensor

    from feedrate.loading.accelerator import Accelerator
    from feedrate.loading.plan import Plan

__all__ = ["Buffers", "Layout", "borrowed"]

_ALIGN = 64
"""Bytes: a cache line, and what vector loads like."""


@dataclass(frozen=True)
class Layout:
    """Where each tensor of a batch lies in a buffer of `nbytes` bytes."""

    places: Mapping[str, tuple[int, torch.dtype, tuple[int, ...]]]
    """By name: offset in bytes, dtype, shape with the rows of the largest batch."""
    nbytes: int

    @classmethod
    def of(cls, plan: Plan) -> Layout:
        """Give the layout that every batch of `plan` fits in."""
        places, at = {}, 0
        for field in plan.batch_fields:
            kind, shape = torch_dtype(field.dtype(plan.cast)), (plan.max_batch_rows, *field.sample_shape)
            places[field.name] = (at, kind, shape)
            at += -(-math.prod(shape) * kind.itemsize // _ALIGN) * _ALIGN
        return cls(places, at)

    def tensors(self, memory: Tensor) -> dict[str, Tensor]:
        """Give the views of `memory`, uint8 (nbytes,), that a batch can be gathered into."""
        return {
            name: memory[at : at + math.prod(shape) * kind.itemsize].view(kind).view(shape)
            for name, (at, kind, shape) in self.places.items()
        }

    def batch(self, memory: Tensor, rows: int) -> Batch:
        """Give the batch of `rows` samples that was written into `memory`."""
        views = {name: tensor[:rows] for name, tensor in self.tensors(memory).items()}
        return Batch(views.pop(ROW_ID), views)


def borrowed(memory: Tensor, returned: Callable[[], object]) -> Tensor:
    """Give a tensor that shares `memory`; `returned` is called once when it and every view of it are gone.

    `returned` runs in whichever thread drops the last reference, and must neither block nor raise.
    """
    array = memory.numpy()
    # torch.from_numpy holds this very array until the storage is freed, so its end is the end of all views.
    weakref.finalize(array, returned).atexit = False
    return torch.from_numpy(array)


class Buffers:
    """Reused memory for batches: in steady state nothing is allocated, for a first touch costs more than a gather."""

    def __init__(self, layout: Layout, count: int, accelerator: Accelerator | None) -> None:
        """Start with `count` buffers, page-locked for a device; a consumer that holds more batches makes the pool grow.

        `accelerator`: None: in memory that is not page-locked.
        """
        self._layout = layout
        self._accelerator = accelerator
        self._free: SimpleQueue[Tensor] = SimpleQueue()
        for memory in self._made(count):
            self._free.put(memory)

    def _made(self, count: int) -> Iterable[Tensor]:
        return (self._empty() for _ in range(count))

    def _empty(self) -> Tensor:
        if self._accelerator is not None:
            return self._accelerator.page_locked(self._layout.nbytes)
        return torch.empty(self._layout.nbytes, dtype=torch.uint8)

    def lend(self) -> dict[str, Tensor]:
        """Lend tensors to write a batch into; their memory returns when none of them, nor a view, lives."""
        try:
            memory = self._free.get_nowait()
        except Empty:
            memory = next(iter(self._made(1)))
        free = self._free
        return self._layout.tensors(borrowed(memory, lambda: free.put(memory)))

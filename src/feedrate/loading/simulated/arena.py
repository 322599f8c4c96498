"""Memory of a bounded size, handed out again as soon as it is dropped, and poisoned in between."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["ALIGN", "POISON", "Arena", "Block"]

ALIGN = 512
"""Bytes: blocks begin at multiples of it, as those of torch's caching allocator do."""
POISON = 0xA5
"""Value of each byte that belongs to nobody; as a float32 it is -2.9e-16, as an int64 next to -6.5e18."""


@dataclass(eq=False)
class Block:
    """A stretch of an arena."""

    start: int
    size: int
    owner: Any = None
    """The stream that it was allocated for; None: of no stream."""
    users: set[Any] = field(default_factory=set)
    """Other streams that must be done with it before it is handed out again."""


class Arena:
    """Hands out tensors of one stretch of memory, and hears when a tensor and all of its views are gone."""

    def __init__(self, nbytes: int, dropped: Callable[[Block], None]) -> None:
        """Of `nbytes` bytes; `dropped` is called in whatever thread lets go of a block, and must only take note."""
        # Apart from its tensors: a storage of the whole would keep them alive.
        self._bytes: NDArray[np.uint8] = np.full(nbytes, POISON, np.uint8)
        self._all = torch.from_numpy(self._bytes)
        self._begin = self._all.data_ptr()
        self._dropped = dropped
        self._free: deque[Block] = deque([Block(0, nbytes)])
        """The last that was freed first."""
        self._live: dict[int, Block] = {}
        """By where they start."""
        self._private: set[object] = set()
        """Owners whose memory nobody else may have."""
        self.held = 0
        """Bytes of all blocks that are handed out."""

    @property
    def nbytes(self) -> int:
        """Size of the whole."""
        return len(self._bytes)

    def allocate(self, nbytes: int, owner: object) -> Tensor | None:
        """Give a uint8 tensor of so many bytes; None: there is no stretch of that size that `owner` may have.

        What another owner had comes only to it again, until `reclaim`.
        """
        size = max(ALIGN, -(-nbytes // ALIGN) * ALIGN)
        fitting = [block for block in self._free if block.size >= size and block.owner in (None, owner)]
        if not fitting:
            return None
        # The smallest, and of equal ones that which was freed last: what was dropped comes again at once.
        place = min(fitting, key=lambda block: block.size)
        self._free.remove(place)
        if place.size > size:
            self._free.appendleft(Block(place.start + size, place.size - size, place.owner))
        block = Block(place.start, size, owner)
        self._live[block.start] = block
        self.held += size
        array = self._bytes[block.start : block.start + nbytes]
        # torch.from_numpy holds this very array until the storage is freed: its end is that of all views.
        weakref.finalize(array, self._dropped, block).atexit = False
        return torch.from_numpy(array)

    def free(self, block: Block) -> None:
        """Take a block back that was dropped, for its owner to have again at once."""
        del self._live[block.start]
        self.held -= block.size
        self._free.appendleft(Block(block.start, block.size, block.owner))

    def reserve(self, owner: object) -> None:
        """Keep for an owner what it is given from now on, whatever it drops, until `release`."""
        self._private.add(owner)

    def release(self, owner: object) -> None:
        """End that."""
        self._private.discard(owner)

    def reclaim(self) -> None:
        """Join what is free and give it to nobody, so that every owner may have it; nobody may still use it."""
        kept = [block for block in self._free if block.owner in self._private]
        joined: list[Block] = []
        for block in sorted((block for block in self._free if block not in kept), key=lambda block: block.start):
            if joined and joined[-1].start + joined[-1].size == block.start:
                joined[-1].size += block.size
            else:
                joined.append(Block(block.start, block.size))
        self._free = deque((*joined, *kept))

    def block_of(self, tensor: Tensor) -> Block | None:
        """Find the block that a tensor lies in; None: it lies elsewhere."""
        at = self._place(tensor)
        if at is None:
            return None
        return next((block for block in self._live.values() if block.start <= at < block.start + block.size), None)

    def holds(self, tensor: Tensor) -> bool:
        """Whether a tensor lies in this memory; one without elements lies nowhere."""
        return self._place(tensor) is not None

    def alias(self, tensor: Tensor) -> Tensor:
        """Give the same bytes as a tensor that keeps no block alive: what a device knows of it is an address."""
        if not tensor.numel():
            return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype)
        at = self._place(tensor)
        assert at is not None, "it lies in this memory"
        last = sum((length - 1) * stride for length, stride in zip(tensor.shape, tensor.stride(), strict=True))
        flat = self._all[at : at + (last + 1) * tensor.itemsize].view(tensor.dtype)
        return flat.as_strided(tensor.shape, tensor.stride())

    def poison(self, block: Block) -> None:
        """Overwrite a block's bytes."""
        self._bytes[block.start : block.start + block.size] = POISON

    def _place(self, tensor: Tensor) -> int | None:
        if tensor.is_meta:
            return None
        at = tensor.data_ptr() - self._begin
        return at if 0 <= at < self.nbytes else None

"""Batches of any nesting as a script's loader gives them: their size, and copies that are as they came."""

from __future__ import annotations

import copy
import hashlib
import zlib
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import suppress
from itertools import cycle, islice
from typing import Any

import numpy as np
import torch

__all__ = ["ReadyBatches", "bytes_of", "copied", "digest_of", "mapped", "rebuilt", "samples_of", "versions"]

_PLAIN = (str, bytes, int, float, complex, bool, type(None))


class ReadyBatches:
    """Batches that came before, to be served again as they came, however a script changes them."""

    def __init__(self, most_bytes: int, least: int = 2) -> None:
        """Keep as many as have room in `most_bytes`, but at least `least`."""
        self._room, self._least = most_bytes, least
        self._kept: list[Any] = []
        self._served: list[Any] = []
        self._versions: list[int] = []
        self._next = 0
        self.changed_in_place = False
        """The script changes the tensors of its batches: each is copied anew before it is served."""

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, batch: Any) -> bool:
        """Copy a batch for later, unless there is no more room; tells whether it did."""
        size = bytes_of(batch)
        if len(self._kept) >= self._least and size > self._room:
            return False
        self._room -= size
        self._kept.append(copied(batch))
        return True

    def take(self, count: int) -> Iterator[Any]:
        """Give the next so many batches, round and round, all of them ready before the first is asked for."""
        start, self._next = self._next, (self._next + count) % len(self._kept)
        if self._served and [versions(batch) for batch in self._served] != self._versions:
            self.changed_in_place, self._served = True, []
        if self.changed_in_place:
            return iter([copied(batch) for batch in islice(cycle(self._kept), start, start + count)])
        if not self._served:
            self._served = [copied(batch) for batch in self._kept]
            self._versions = [versions(batch) for batch in self._served]
        # Each time in containers of their own: a script may take its batch to pieces.
        return iter([rebuilt(batch) for batch in islice(cycle(self._served), start, start + count)])


def samples_of(batch: Any) -> int:
    """Count the samples of a batch: the length of its first tensor, array, or list of such; 0 where there is none."""
    if isinstance(batch, torch.Tensor | np.ndarray):
        return int(batch.shape[0]) if batch.ndim else 1
    values = batch.values() if isinstance(batch, Mapping) else batch if isinstance(batch, list | tuple) else ()
    for value in values:
        if isinstance(value, list | tuple) and value and not isinstance(value[0], list | tuple | Mapping):
            return len(value)
        size = samples_of(value)
        if size:
            return size
    return 0


def bytes_of(batch: Any) -> int:
    """Count the bytes of the tensors and arrays of a batch."""
    return sum(leaf.nbytes for leaf in _leaves(batch) if isinstance(leaf, torch.Tensor | np.ndarray))


def digest_of(batch: Any) -> str:
    """Digest every value of a batch, with its dtype and shape: equal only where all bits are."""
    digest = hashlib.blake2b(digest_size=16)
    for leaf in _leaves(batch):
        if isinstance(leaf, torch.Tensor):
            plain = leaf.detach().cpu().contiguous()
            digest.update(f"{plain.dtype} {tuple(plain.shape)}".encode())
            digest.update(plain.flatten().view(torch.uint8).numpy().tobytes())
        elif isinstance(leaf, np.ndarray):
            digest.update(f"{leaf.dtype} {leaf.shape}".encode() + leaf.tobytes())
        else:
            digest.update(repr(leaf).encode())
    return digest.hexdigest()


def versions(batch: Any) -> int:
    """Give a number that is another one once the tensors or arrays of a batch were changed in place."""
    total = 0
    for leaf in _leaves(batch):
        if isinstance(leaf, torch.Tensor):
            # Tensors of inference mode do not count.
            with suppress(RuntimeError):
                total += leaf._version
        elif isinstance(leaf, np.ndarray):
            # An array does not count how often.
            total += zlib.crc32(leaf.tobytes())
    return total


def rebuilt(batch: Any) -> Any:
    """Give the batch in new containers, with the same tensors and arrays."""
    return mapped(batch, lambda leaf: leaf if isinstance(leaf, torch.Tensor | np.ndarray) else _copied_leaf(leaf))


def copied(batch: Any) -> Any:
    """Give a copy of the batch, its tensors where they are, page-locked where they were."""
    return mapped(batch, _copied_leaf)


def _copied_leaf(leaf: Any) -> Any:
    if isinstance(leaf, torch.Tensor):
        copy_of_leaf = leaf.detach().clone()
        return copy_of_leaf.pin_memory() if leaf.device.type == "cpu" and leaf.is_pinned() else copy_of_leaf
    # An object of the script's: whatever it holds, it is not shared with the next time it is served.
    return leaf if isinstance(leaf, _PLAIN) else copy.deepcopy(leaf)


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield value


def mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """Give the value in new containers, with what `change` makes of all that is none."""
    if isinstance(value, MutableMapping):
        # Its own way to copy itself: a batch of a tokenizer is a mapping with more to it.
        mapping = copy.copy(value)
        for key in list(mapping):
            mapping[key] = mapped(value[key], change)
        return mapping
    if isinstance(value, tuple):
        items = [mapped(inner, change) for inner in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if isinstance(value, list):
        return [mapped(inner, change) for inner in value]
    return change(value)

"""Watch Python's garbage collector, and count what nothing but the collector frees."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch

from feedrate.records.soak import Cycles
from feedrate.system.stopwatch import thread_core_s

__all__ = ["CollectorWatch", "CycleCount", "count_cycles", "cycles_counted", "tracked_types"]

_TYPES = 3
"""Types of objects that are named."""
_COLLECTIONS = 5
"""Most runs of the collector until nothing is left from before."""


@dataclass
class CollectorWatch:
    """Count what the collector did since `reset`."""

    runs: list[int] = field(default_factory=lambda: [0, 0, 0])
    """By generation."""
    core_s: float = 0.0
    longest_s: float = 0.0
    _start: float = 0.0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Be told of each run of the collector inside the block."""
        gc.callbacks.append(self._told)
        try:
            yield
        finally:
            gc.callbacks.remove(self._told)

    def reset(self) -> None:
        """Begin to count anew."""
        self.runs, self.core_s, self.longest_s = [0, 0, 0], 0.0, 0.0

    def _told(self, phase: str, info: Mapping[str, int]) -> None:
        # Processor time: a run that waits for a core, as neighbours have it, is no longer run.
        if phase == "start":
            self._start = thread_core_s()
            return
        took_s = thread_core_s() - self._start
        self.runs[info["generation"]] += 1
        self.core_s += took_s
        self.longest_s = max(self.longest_s, took_s)


@dataclass
class CycleCount:
    """What a block left to the collector; known when it is done."""

    cycles: Cycles = field(default_factory=lambda: Cycles(0, 0, 0))


@contextmanager
def cycles_counted(batches: int) -> Iterator[CycleCount]:
    """Have so many batches done in the block without the collector, and count what it would have had to free.

    What it finds is kept for a moment (`gc.DEBUG_SAVEALL`), looked at and freed.
    """
    _collect_all()
    gc.disable()
    flags, kept_before, count = gc.get_debug(), len(gc.garbage), CycleCount()
    garbage: list[object] = []
    try:
        yield count
        gc.set_debug(flags | gc.DEBUG_SAVEALL)
        gc.collect()
        garbage = gc.garbage[kept_before:]
        del gc.garbage[kept_before:]
        count.cycles = Cycles(batches, len(garbage), _held_bytes(garbage))
    finally:
        gc.set_debug(flags)
        gc.enable()
        garbage.clear()
        gc.collect()


def _collect_all() -> None:
    """Free also what only what was freed had held, as finalizers do."""
    for _ in range(_COLLECTIONS):
        if not gc.collect():
            return


def count_cycles(work: Callable[[int], int], batches: int) -> Cycles:
    """Do so many batches, and count what of them only the collector would have freed."""
    with cycles_counted(batches) as count:
        work(batches)
    return count.cycles


def _held_bytes(garbage: Sequence[object]) -> int:
    """Add up the bytes of tensors among the objects, and of arrays and bytes to which nothing else refers."""
    storages = dict(filter(None, (_storage(thing) for thing in garbage if issubclass(type(thing), torch.Tensor))))
    # The collector does not look at what refers to nothing; such things are freed with whoever refers to them.
    plain = [thing for thing in gc.get_referents(*garbage) if type(thing) in (np.ndarray, bytes, bytearray)]
    times = Counter(map(id, plain))
    # Beside the circles, the list and the loop refer to it.
    sizes = {id(thing): sys.getsizeof(thing) for thing in plain if sys.getrefcount(thing) <= 2 * times[id(thing)] + 2}
    return sum(storages.values()) + sum(sizes.values())


def _storage(tensor: object) -> tuple[int, int] | None:
    """Give address and bytes of what a tensor lies in; None: in no memory of its own, as a traced or sparse one."""
    if not isinstance(tensor, torch.Tensor):
        return None
    try:
        storage = tensor.untyped_storage()
        return storage.data_ptr(), storage.nbytes()
    except (RuntimeError, NotImplementedError):
        return None


def tracked_types() -> Mapping[str, int]:
    """Count the objects that the collector goes through, frozen ones left out, by their most frequent types."""
    types = Counter(type(thing) for thing in gc.get_objects())
    return {
        f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins."): n for kind, n in types.most_common(_TYPES)
    }

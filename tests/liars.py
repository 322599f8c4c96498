"""What lying loaders share: the truth that they bend, and what they leave behind for the test to clear away."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from multiprocessing.shared_memory import SharedMemory
from threading import Event
from typing import IO

from torch import Tensor

from feedrate.batch import Batch
from feedrate.loader import Stream
from feedrate.plan import Plan

RowsOf = Callable[[int, Tensor], Tensor]


@dataclass
class Leftovers:
    """What liars leave; a liar that hangs waits for `released`."""

    released: Event = field(default_factory=Event)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    files: list[IO[bytes]] = field(default_factory=list)
    shared: list[SharedMemory] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)
    waiting: list[Event] = field(default_factory=list)

    def clear(self) -> None:
        for event in (self.released, *self.waiting):
            event.set()
        self.released = Event()
        while self.processes:
            process = self.processes.pop()
            process.kill()
            process.communicate()
        while self.files:
            self.files.pop().close()
        while self.shared:
            self.shared.pop().unlink()
        while self.streams:
            self.streams.pop().close()


left = Leftovers()


def honest(plan: Plan, rows_of: RowsOf = lambda number, rows: rows) -> Stream:
    """What a truthful loader yields, or what becomes of it when other rows are cut for the batch of that number."""
    numbers = count()
    with plan.open() as source:
        for block in plan.blocks():
            columns = source.read(block)
            for rows in block.batches():
                yield columns.batch(rows_of(next(numbers), rows))


def changed(batch: Batch, name: str, tensor: Tensor) -> Batch:
    return replace(batch, tensors={**batch.tensors, name: tensor})

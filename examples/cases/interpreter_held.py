"""Together they take as long as one after the other, although batches are made on a thread of their own.

That thread computes in Python, and holds the interpreter that the step needs; the twin's computes in a process.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from queue import Queue
from threading import Thread

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset
from training import cured, train


def made_in_python() -> Tensor:
    """Compute a batch for 15 ms."""
    total, end = 0, time.thread_time() + 0.015
    while time.thread_time() < end:
        total += sum(number * number for number in range(100))
    return torch.full((16, 8), float(total % 7))


def fill(queue: Queue[Tensor]) -> None:
    """Put batches into a queue without end."""
    while True:
        queue.put(made_in_python())


class Made(IterableDataset[Tensor]):
    """Batches without end, of a thread, or in a worker of whoever iterates it."""

    def __iter__(self) -> Iterator[Tensor]:
        if cured():
            while True:
                yield made_in_python()
        queue: Queue[Tensor] = Queue(4)
        Thread(target=fill, args=(queue,), name="batches", daemon=True).start()
        while True:
            yield queue.get()


def many_small_operations(inputs: Tensor) -> None:
    """Take some 15 ms in operators of a few microseconds."""
    value = inputs[0]
    for _ in range(5000):
        value = value + 1.0


if __name__ == "__main__":
    train(DataLoader(Made(), batch_size=None, num_workers=int(cured())), many_small_operations)

"""Hand batches over from worker processes in slots of memory that both sides share, and that come back to be filled."""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING

from feedrate.errors import WorkerError
from feedrate.system.signals import end_of

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from torch import Tensor

__all__ = ["RingWorker", "SlotFilled", "end_all", "free_slot", "worker_with"]


@dataclass(frozen=True)
class SlotFilled:
    """A worker's message that a batch of `rows` samples of `epoch` lies in its slot; slot -1: that epoch is done."""

    epoch: int
    slot: int
    rows: int


@dataclass
class RingWorker:
    """The consumer's end of one worker."""

    process: BaseProcess
    pipe: Connection
    memory: Tensor
    """uint8 (slots, bytes), shared."""
    slots_out: int = 0
    """Slots that the consumer's batches still refer to."""
    waiting: deque[SlotFilled] = field(default_factory=deque)
    settings: Mapping[str, int] | None = None
    """What the worker looks like from inside; None: it has not said so."""

    def take(self) -> None:
        """Receive one message.

        Raises:
            WorkerError: the worker is gone.
            BaseException: what went wrong in the worker, as it sent it.
        """
        try:
            message = pickle.loads(self.pipe.recv_bytes())
        except (EOFError, ConnectionError):
            self.process.join(1)
            end = end_of(self.process.exitcode)
            raise WorkerError(f"ring_workers: worker {self.process.pid} {end} before its work was done") from None
        if isinstance(message, SlotFilled):
            self.waiting.append(message)
        elif isinstance(message, Mapping):
            self.settings = message
        elif isinstance(message, BaseException):
            raise message

    def lend(self, slot: int, nbytes: int | None = None) -> Tensor:
        """Give the first `nbytes` of a slot, None: all; it goes back when no tensor refers to them any more.

        With its last slot lent a worker could not go on until the consumer lets go, which it may never do: of that one
        a copy is given.
        """
        from feedrate.loading.buffers import borrowed

        memory = self.memory[slot][:nbytes]
        self.slots_out += 1
        if self.slots_out == len(self.memory):
            copy = memory.clone()
            self.give_back(slot)
            return copy
        return borrowed(memory, lambda: self.give_back(slot))

    def give_back(self, slot: int) -> None:
        """Return a slot to the worker; called by whoever drops the last tensor, so it must not raise."""
        self.slots_out -= 1
        try:
            self.pipe.send_bytes(bytes([slot]))
        except OSError:
            # The stream is closed, or the worker gone: nobody wants the slot.
            return


def worker_with(workers: Sequence[RingWorker], epoch: int, timeout_s: float | None) -> RingWorker | None:
    """Wait for the first of the workers that has a batch of the epoch; None: none has within `timeout_s`.

    Raises:
        WorkerError: a worker is gone.
        BaseException: what went wrong in a worker.
    """
    while True:
        for worker in workers:
            if worker.waiting and worker.waiting[0].epoch == epoch:
                return worker
        ready = wait([worker.pipe for worker in workers], timeout_s)
        if not ready:
            return None
        for worker in workers:
            if worker.pipe in ready:
                worker.take()


def end_all(workers: Iterable[RingWorker]) -> None:
    """End the workers, who have nothing to finish; batches that were handed out stay valid."""
    ending = tuple(workers)
    for worker in ending:
        worker.process.terminate()
    for worker in ending:
        worker.process.join()
        worker.process.close()
        worker.pipe.close()


def free_slot(pipe: Connection, free: deque[int]) -> int:
    """Give a slot that no batch of the consumer refers to; waits for one. Called by a worker.

    Raises:
        EOFError, ConnectionError: the consumer is gone.
    """
    while not free or pipe.poll():
        free.extend(pipe.recv_bytes())
    return free.popleft()

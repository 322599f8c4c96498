"""The batches of a script's loader from worker processes that write them into a ring of slots in shared memory."""

from __future__ import annotations

import os
import sys
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from torch import multiprocessing
from torch.utils.data import DataLoader

import feedrate
from feedrate.errors import ContractError, UnavailableError
from feedrate.loading.ring import RingWorker, end_all, worker_with
from feedrate.metering.script.fetching import Fetcher, demand_samples, order_of, pinned
from feedrate.metering.script.ring_batch import batch_in, used_bytes
from feedrate.metering.script.ring_memory import RingMemory
from feedrate.metering.script.ring_worker import RingWork, work
from feedrate.records.request import SCRIPT_REQUEST

__all__ = ["RingLoader"]


@dataclass
class _Server:
    """A worker, and what it was asked for."""

    worker: RingWorker
    orders: Connection
    asked: int = 0
    """Batches that it was asked for and that have not come."""

    @property
    def has_room(self) -> bool:
        """Whether there is a slot for one more batch."""
        return self.asked + self.worker.slots_out < len(self.worker.memory)

    def ask(self, epoch: int, indices: Any) -> None:
        self.asked += 1
        # That it is gone is told where its batch is waited for.
        with suppress(OSError):
            self.orders.send((epoch, indices))

    def slot(self, epoch: int, timeout_s: float | None) -> int:
        """The slot of the next batch; raises what went wrong in the worker."""
        self.asked -= 1
        if worker_with((self.worker,), epoch, timeout_s) is None:
            raise ContractError(f"ring_workers: no batch within the {timeout_s:g} s that the script's loader waits")
        return self.worker.waiting.popleft().slot

    def forget(self, epoch: int) -> None:
        """Let go of what it was asked for in an epoch that was left before its end."""
        while self.asked:
            try:
                slot = self.slot(epoch, None)
            except ContractError:
                raise
            # What nobody asks for any more may have failed.
            except Exception:
                continue
            self.worker.slots_out += 1
            self.worker.give_back(slot)


@dataclass
class RingLoader:
    """Makes batches in `count` processes, in the order of the script's sampler; they outlive epochs.

    Processes are started as those of the script's loader are, when it is first iterated, and end with this object.
    """

    own: DataLoader[Any]
    spec: str
    """Names this loader in complaints."""
    count: int
    slots: int
    """Batches that each process may have ready, or lent."""
    batches: Iterable[Any] | None = None
    _servers: tuple[_Server, ...] = field(default=(), init=False)
    _epoch: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        demand_samples(self.own, self.spec)

    @property
    def batch_size(self) -> int | None:
        """Samples of a batch; None: the sampler says."""
        return self.own.batch_size

    @property
    def num_workers(self) -> int:
        """Processes, by the name that a DataLoader has for it."""
        return self.count

    @property
    def persistent_workers(self) -> bool:
        """Processes outlive epochs."""
        return True

    @property
    def ahead_batches(self) -> int:
        """Batches that may have been made before they are asked for."""
        return self.count * self.slots

    def __len__(self) -> int:
        return len(self.own)

    def __iter__(self) -> Iterator[Any]:
        servers, timeout_s = self._started(), self.own.timeout or None
        for server in servers:
            server.forget(self._epoch)
        self._epoch += 1
        turn, asked = cycle(servers), deque[_Server]()
        server = next(turn)
        for indices in self.batches or order_of(self.own):
            while not server.has_room:
                yield self._next(asked, timeout_s)
            server.ask(self._epoch, indices)
            asked.append(server)
            server = next(turn)
        while asked:
            yield self._next(asked, timeout_s)

    def _next(self, asked: deque[_Server], timeout_s: float | None) -> Any:
        server = asked.popleft()
        slot, worker = server.slot(self._epoch, timeout_s), server.worker
        return pinned(self.own, batch_in(worker.lend(slot, used_bytes(worker.memory[slot]))))

    def _started(self) -> tuple[_Server, ...]:
        if not self._servers:
            servers: list[_Server] = []
            # An interrupt while they start must end those that have.
            weakref.finalize(self, _end, servers, os.getpid())
            seed = int(torch.empty((), dtype=torch.int64).random_(generator=self.own.generator))
            shared = RingWork(self.spec, Fetcher.of(self.own), self.own.worker_init_fn, self.count, seed)
            with _importable(), closing(self._memory()) as memory:
                for number in range(self.count):
                    servers.append(self._started_one(memory, shared, number))
            self._servers = tuple(servers)
        return self._servers

    def _memory(self) -> RingMemory:
        try:
            return RingMemory(self.count, self.slots)
        except OSError as error:
            raise UnavailableError(f"{self.spec}: the system gives no memory to share: {error}") from None

    def _started_one(self, memory: RingMemory, shared: RingWork, number: int) -> _Server:
        context: Any = self.own.multiprocessing_context or multiprocessing
        here, there = context.Pipe()
        ordered, orders = context.Pipe(duplex=False)
        process = context.Process(
            target=work, args=(there, ordered, memory, shared, number), daemon=True, name=f"ring_workers-{number}"
        )
        process.start()
        # With our copies of the worker's ends open, its death would not read as the end of the pipe.
        there.close()
        ordered.close()
        return _Server(RingWorker(process, here, memory.tensor[number]), orders)


def _end(servers: list[_Server], owner: int) -> None:
    """End the workers, unless in one of them, which has all this since it was forked."""
    if os.getpid() == owner:
        end_all(server.worker for server in servers)
        for server in servers:
            server.orders.close()


@contextmanager
def _importable() -> Iterator[None]:
    """Have processes that are spawned inside import this very feedrate, and nothing else that lies beside it.

    The hook does nothing in processes of multiprocessing, and the script's environment may have no feedrate.
    """
    request = os.environ.get(SCRIPT_REQUEST)
    if request is None:
        yield
        return
    code = Path(request).parent / "code"
    code.mkdir(exist_ok=True)
    with suppress(FileExistsError):
        (code / "feedrate").symlink_to(Path(feedrate.__file__).parent)
    sys.path.insert(0, str(code))
    try:
        yield
    finally:
        sys.path.remove(str(code))

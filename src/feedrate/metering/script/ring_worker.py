"""Make batches of a script's data set in a worker process, and write them into slots of the ring."""

from __future__ import annotations

import pickle
import random
import signal
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection

import numpy as np
import torch
from torch._utils import ExceptionWrapper
from torch.utils.data._utils import worker as torch_worker

from feedrate.errors import FeedrateError
from feedrate.loading.ring import SlotFilled, free_slot
from feedrate.loading.worker_process import seed_32
from feedrate.metering.script.fetching import Fetcher
from feedrate.metering.script.ring_batch import SlotWriter
from feedrate.metering.script.ring_memory import RingMemory
from feedrate.system.parent_death import end_with_parent

__all__ = ["RingWork", "work"]


@dataclass(frozen=True)
class RingWork:
    """What all workers of a ring have in common; passed on by a fork, or pickled."""

    spec: str
    """Names the loader in complaints."""
    fetch: Fetcher
    begin: Callable[[int], object] | None
    """The script's `worker_init_fn`."""
    count: int
    """Workers."""
    seed: int
    """Of the first worker; the others count on."""


def work(pipe: Connection, orders: Connection, memory: RingMemory, shared: RingWork, number: int) -> None:
    """Make the batch of each `(epoch, indices)` that comes over `orders`, in a slot of this worker's; until they end.

    What goes wrong is sent in place of the batch, as torch's own workers tell it.
    """
    memory.close()
    slots, writer = memory.tensor[number], SlotWriter(shared.spec)
    free = deque(range(len(slots)))
    try:
        _begin(shared, number)
        fetch = replace(shared.fetch, collate=writer.collated(shared.fetch.collate))
        while True:
            epoch, indices = orders.recv()
            slot = free_slot(pipe, free)
            try:
                writer.begin(slots[slot])
                writer.write(fetch(indices))
            except Exception as error:
                free.append(slot)
                pipe.send_bytes(_told(error, number))
            else:
                pipe.send_bytes(pickle.dumps(SlotFilled(epoch, slot, 0)))
    except (EOFError, ConnectionError):
        # A send or a receive fails only when the consumer is gone: then we are done.
        return
    except Exception as error:
        pipe.send_bytes(_told(error, number))


def _begin(shared: RingWork, number: int) -> None:
    """Be what a worker of torch's loader is: seeds, one thread, and what `get_worker_info` gives."""
    end_with_parent()
    # The script may have handlers of its own, and a worker has nothing to finish.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    seed = shared.seed + number
    torch.set_num_threads(1)
    random.seed(seed)
    torch.manual_seed(seed)
    np.random.seed(seed_32(seed))
    torch_worker._worker_info = torch_worker.WorkerInfo(
        id=number, num_workers=shared.count, seed=seed, dataset=shared.fetch.data
    )
    if shared.begin is not None:
        shared.begin(number)


def _told(error: Exception, number: int) -> bytes:
    """Pickle an error for the consumer, with the traceback from here in its text; our own are a line."""
    if isinstance(error, FeedrateError):
        return pickle.dumps(error)
    wrapped = ExceptionWrapper((type(error), error, error.__traceback__), where=f"in ring_workers process {number}")
    try:
        wrapped.reraise()
    except Exception as told:
        # What a stranger's error does when it is pickled, nobody knows.
        with suppress(Exception):
            text = pickle.dumps(told)
            pickle.loads(text)
            return text
    return pickle.dumps(RuntimeError(wrapped.exc_msg))

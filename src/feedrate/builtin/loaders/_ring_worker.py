"""Fill slots of the shared-memory ring in a spawned worker."""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from feedrate.builtin.loaders._sharding import shard
from feedrate.errors import FeedrateError
from feedrate.loading.ring import SlotFilled, free_slot
from feedrate.loading.worker_process import init_worker, seed_32

if TYPE_CHECKING:
    from torch import Tensor

    from feedrate.loading.buffers import Layout
    from feedrate.loading.plan import Plan

__all__ = ["work"]


def work(
    pipe: Connection,
    memory: Tensor,
    layout: Layout,
    plan: Plan,
    place: tuple[int, int],
    by_batch: bool,
) -> None:
    """Gather this worker's share of every epoch into its slots, and say so; ends when the consumer hangs up.

    `memory` is uint8 (slots, bytes), shared; `place` is (number of this worker, number of workers).
    """
    settings = init_worker(place[0], seed_32(plan.seed + place[0]), plan.logs)
    free = deque(range(len(memory)))
    slots = [layout.tensors(slot) for slot in memory]
    try:
        pipe.send_bytes(pickle.dumps(settings))
        for filled in _filled(pipe, slots, free, plan, place, by_batch=by_batch):
            pipe.send_bytes(pickle.dumps(filled))
        # Slots come back as long as batches live; leaving now would make that look like a crash.
        while pipe.recv_bytes():
            continue
    except FeedrateError as error:
        pipe.send_bytes(pickle.dumps(error))
    except (EOFError, ConnectionError):
        # A send or a receive fails only when the consumer is gone: then we are done.
        return


def _filled(
    pipe: Connection,
    slots: list[dict[str, Tensor]],
    free: deque[int],
    plan: Plan,
    place: tuple[int, int],
    *,
    by_batch: bool,
) -> Iterator[SlotFilled]:
    with plan.open() as source:
        for epoch in plan.epoch_numbers():
            for block, batches in shard(plan.epoch_blocks(epoch), *place, by_batch=by_batch):
                columns = source.read(block)
                for rows in batches:
                    slot = free_slot(pipe, free)
                    columns.batch(rows, into=slots[slot])
                    yield SlotFilled(epoch, slot, len(rows))
            yield SlotFilled(epoch, -1, 0)

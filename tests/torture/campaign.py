"""Attacks in several lanes at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from queue import SimpleQueue

from tests.torture.attacks import Attack
from tests.torture.faults import Shim
from tests.torture.lanes import Lane
from tests.torture.rounds import Result, attacked

__all__ = ["carried_out"]


def carried_out(attacks: Iterable[Attack], kills: int, lanes: int, folder: Path) -> Iterator[Result]:
    """Yield the results as they come, until that many processes were killed or there are no more attacks."""
    shim, waiting = Shim.built(folder), iter(attacks)
    with ExitStack() as stack:
        free: SimpleQueue[Lane] = SimpleQueue()
        for number in range(lanes):
            free.put(stack.enter_context(Lane.opened(folder / str(number), shim)))
        pool = stack.enter_context(ThreadPoolExecutor(lanes))
        jobs = {pool.submit(_job, attack, free) for attack in islice(waiting, lanes)}
        while jobs:
            done, jobs = wait(jobs, return_when=FIRST_COMPLETED)
            for job in done:
                result = job.result()
                kills -= result.hit and result.attack.kills
                # One more only where those that run may be too few.
                jobs |= {pool.submit(_job, attack, free) for attack in islice(waiting, int(kills > len(jobs)))}
                yield result


def _job(attack: Attack, free: SimpleQueue[Lane]) -> Result:
    lane = free.get()
    try:
        return attacked(attack, lane)
    finally:
        free.put(lane)

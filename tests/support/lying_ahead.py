"""Loaders that say something else of what they do ahead, keep and start than they do."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace

from feedrate.calibration.strategies.wrong_rows import honest
from feedrate.loading.batch import Columns
from feedrate.loading.plan import Plan
from feedrate.loading.prefetch import ahead
from feedrate.plugin.loader import Loader, Stream
from feedrate.plugin.strategy import knob

AHEAD = 5


@dataclass(frozen=True)
class SaysHowFarAhead(Loader):
    """Truthful: cuts batches on a thread, and says how many."""

    name = "says_how_far_ahead"

    def stream(self, plan: Plan) -> Stream:
        with plan.open() as source, ThreadPoolExecutor(1) as pool:
            columns = ((source.read(block), block) for block in plan.blocks())
            jobs = ((read, rows) for read, block in columns for rows in block.batches())
            for batch in ahead(lambda job: pool.submit(job[0].batch, job[1]), jobs, AHEAD):
                yield batch.result()

    def prefetch_batches(self, plan: Plan) -> int:
        return AHEAD


@dataclass(frozen=True)
class SaysTooFewAhead(SaysHowFarAhead):
    name = "says_too_few_ahead"

    def prefetch_batches(self, plan: Plan) -> int:
        return AHEAD - 3


@dataclass(frozen=True)
class KeepsABlock(Loader):
    """Truthful: reads a block again only if it is another one than the last."""

    name = "keeps_a_block"
    kept_blocks = 1

    def stream(self, plan: Plan) -> Stream:
        kept: dict[int, Columns] = {}
        with plan.open() as source:
            for block in plan.blocks():
                if block.number not in kept:
                    for number in [*kept][: 1 + len(kept) - self.kept_blocks]:
                        del kept[number]
                    kept[block.number] = source.read(block)
                columns = kept[block.number]
                # Those of this epoch: what is kept is the rows, and not their order.
                yield from (columns.batch(rows) for rows in block.batches())


@dataclass(frozen=True)
class KeepsTheData(KeepsABlock):
    name = "keeps_the_data"
    kept_blocks = 1_000


@dataclass(frozen=True)
class StartsAProcessAllTheSame(Loader):
    """Has a process at its side, and no way to go without."""

    name = "starts_a_process_all_the_same"

    def stream(self, plan: Plan) -> Stream:
        with _process():
            yield from honest(plan)


@dataclass(frozen=True)
class ServesOthersAlone(Loader):
    """Turns the rows of a batch round where it has no workers."""

    name = "serves_others_alone"
    count: int = knob(1, 0, low=0, high=8)

    def without_workers(self) -> Loader:
        return replace(self, count=0)

    def stream(self, plan: Plan) -> Stream:
        return honest(plan, lambda number, rows: rows if self.count else rows.flip(0))


@dataclass(frozen=True)
class GoesWithoutWorkers(ServesOthersAlone):
    """Truthful: has a process at its side unless it is to go without."""

    name = "goes_without_workers"

    def stream(self, plan: Plan) -> Stream:
        if self.count == 0:
            yield from honest(plan)
            return
        with _process():
            yield from honest(plan)


@contextmanager
def _process() -> Iterator[None]:
    process = subprocess.Popen(["sleep", "600"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


TRUTHFUL: tuple[Loader, ...] = (SaysHowFarAhead(), KeepsABlock(), GoesWithoutWorkers())

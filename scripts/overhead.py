"""Measure what feedrate's own loop costs: `python scripts/overhead.py [--processes N]` (make bench-harness).

1. Seconds a batch of the meter's loop over resident batches with the step `none`, beside a bare loop over the list.
2. `workers`, drained by the meter, against a hand-written DataLoader loop over the same plan. Both are open in one
   process, the workers of the one that waits have nothing to do, and windows of either alternate in ABBA order, so
   that a machine that changes its pace changes it for both. The replicate is the process: one ratio each, and the
   95 % interval of their mean.

`--against CHECKOUT` measures the same in another checkout, by its own script and code: fresh processes of the two
alternate in ABBA order, and each round gives a ratio of this one to the other, so that what changes the machine's pace
for longer than a round changes both. Less than 1: this one is quicker. `--cpu` counts what the loop's own thread has of
a processor instead of what passes on the clock: the same costs but for waiting, on a machine whose neighbours are busy.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from feedrate.builtin.loaders.resident import Resident
from feedrate.builtin.loaders.workers import Workers
from feedrate.builtin.steps.none import NoTraining
from feedrate.builtin.workloads.boardmoves import BoardMoves
from feedrate.data.dataset import DataSet
from feedrate.loading.batch import Batch, cast_to_model
from feedrate.loading.plan import Plan
from feedrate.loading.transfer import delivered
from feedrate.metering.recorded_stream import RecordedStream
from feedrate.records.estimate import estimate
from feedrate.system.stopwatch import timed
from feedrate.system.threadpools import one_thread_each

WORKLOAD = BoardMoves()
COUNT = 2
DISCARDED, MEASURED, TURNS = 40, 400, 8
SAMPLE = """
import json, pathlib, sys, time
folder, kind, data, clock, times = sys.argv[1:]
time.perf_counter_ns = getattr(time, clock)
sys.path.insert(0, folder)
import overhead
measure = {"resident": overhead.resident, "workers": overhead.compared}[kind]
plan = overhead.plan(pathlib.Path(data))
print(json.dumps([list(measure(plan).values()) for _ in range(int(times))]))
"""
"""Runs a checkout's own script, of whatever age, and times it by that clock of `time`."""
REPEATS = {"resident": 10, "workers": 1}
"""How often a process that compares checkouts measures; the least disturbed counts."""


def nothing() -> None:
    """The CPU needs no synchronisation."""


def plan(data: Path) -> Plan:
    recipe = WORKLOAD.at("small")
    folder = data / recipe.folder_name
    return WORKLOAD.plan(recipe.open(data) if folder.exists() else DataSet.write(folder, recipe), "small", epochs=100)


class Plain(IterableDataset[Batch]):
    """What one writes by hand: each worker reads every n-th block and cuts its batches."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.epoch = plan, 0

    def __iter__(self) -> Iterator[Batch]:
        info = get_worker_info()
        assert info is not None
        blocks, self.epoch = list(self.plan.epoch_blocks(self.epoch)), self.epoch + 1
        with self.plan.open() as source:
            for block in blocks[info.id :: info.num_workers]:
                columns = source.read(block)
                for rows in block.batches():
                    yield columns.batch(rows)


def one_thread(worker: int) -> None:
    """A DataLoader user's usual worker_init_fn."""
    del worker
    torch.set_num_threads(1)


def as_is(batch: Batch) -> Batch:
    return batch


@contextmanager
def by_hand(plan: Plan) -> Iterator[Callable[[int], int]]:
    """Drains so many batches of a hand-written loop."""
    loader = DataLoader(
        Plain(plan), batch_size=None, num_workers=COUNT, prefetch_factor=2, persistent_workers=True,
        multiprocessing_context="spawn", timeout=120, worker_init_fn=one_thread,
        # Without a batch size it gets what the data set yields, where torch's annotation says a list of that.
        collate_fn=as_is,  # type: ignore[arg-type]
    )  # fmt: skip
    with one_thread_each():
        first = iter(loader)

    def batches() -> Iterator[Batch]:
        yield from first
        while True:
            yield from loader

    waiting = batches()
    fields = plan.batch_fields[1:]

    def drain(count: int) -> int:
        taken = islice(waiting, count)
        return sum(len(Batch(batch.ids, cast_to_model(batch.tensors, fields))) for batch in taken)

    yield drain


@contextmanager
def by_meter(plan: Plan) -> Iterator[Callable[[int], int]]:
    """Drains so many batches as the meter does."""
    with closing(delivered(Workers(count=COUNT), plan)) as stream:
        yield RecordedStream(stream).drain


def compared(plan: Plan) -> dict[str, float]:
    """Seconds a batch of either, over alternating windows."""
    spent = {"meter": 0.0, "hand": 0.0}
    with by_meter(plan) as meter, by_hand(plan) as hand:
        drains = {"meter": meter, "hand": hand}
        for turn in range(TURNS):
            for kind in ("meter", "hand") if turn % 2 == 0 else ("hand", "meter"):
                drains[kind](DISCARDED)
                spent[kind] += timed(drains[kind], MEASURED, nothing).batch_s / TURNS
    return spent


def resident(plan: Plan) -> dict[str, float]:
    """Seconds a batch of the meter's loop, and of a bare loop, over batches that are there."""
    update = NoTraining().bind(torch.nn.Identity(), WORKLOAD.loss, None)  # type: ignore[arg-type]
    with closing(delivered(Resident(count=8), plan)) as stream:
        feed = RecordedStream(stream)

        def measured(count: int) -> int:
            return sum(len(batch) for batch in (feed.take() for _ in range(count)) if update(batch) is not None)

        batches = [feed.take() for _ in range(8)]

        def bare(count: int) -> int:
            return sum(len(batch) for batch in (batches[n % 8] for n in range(count)) if update(batch) is not None)

        return {"meter": timed(measured, 10_000, nothing).batch_s, "bare": timed(bare, 10_000, nothing).batch_s}


@dataclass(frozen=True)
class Checkout:
    """Code to measure, and where its data sets lie."""

    folder: Path
    data: Path

    def sampled(self, kind: str, clock: str = "perf_counter_ns", times: int = 1) -> tuple[float, float]:
        """Give seconds a batch in the meter's loop and in a plain one: the least of so many, in a fresh process."""
        words = (str(self.folder / "scripts"), kind, str(self.data), clock, str(times))
        environment = {**os.environ, "PYTHONPATH": str(self.folder / "src")}
        command = [sys.executable, "-c", SAMPLE, *words]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
        meter_s, plain_s = map(min, zip(*json.loads(done.stdout), strict=True))
        return meter_s, plain_s

    def costs(self, kinds: Sequence[str], clock: str) -> dict[str, float]:
        """Measure what two checkouts are compared in: seconds a batch, and those as a multiple of a plain loop."""
        costs: dict[str, float] = {}
        for kind in kinds:
            meter_s, plain_s = self.sampled(kind, clock, REPEATS[kind])
            costs |= {kind: meter_s, f"{kind} as a multiple of a plain loop": meter_s / plain_s}
        return costs


def alone(checkout: Checkout, processes: int) -> None:
    """Print what the loop of one checkout costs."""
    meter_s, bare_s = checkout.sampled("resident")
    print(f"resident, none: {meter_s * 1e6:.2f} us a batch in the meter's loop, {bare_s * 1e6:.2f} us in a bare one")
    ratios = []
    for number in range(processes):
        meter_s, hand_s = checkout.sampled("workers")
        ratios.append(meter_s / hand_s)
        costs = f"{meter_s * 1e3:.3f} ms a batch, by hand {hand_s * 1e3:.3f} ms"
        print(f"workers[count={COUNT}], process {number + 1}: {costs}")
    print(f"workers, meter / by hand: {interval(ratios)}")


def against(this: Checkout, other: Checkout, rounds: int, kinds: Sequence[str], clock: str) -> None:
    """Print how many times the costs of the other those of this one are."""
    ratios: dict[str, list[float]] = {}
    for number in range(rounds):
        order = (other, this) if number % 2 == 0 else (this, other)
        costs = {checkout: checkout.costs(kinds, clock) for checkout in order}
        for name, cost in costs[this].items():
            ratios.setdefault(name, []).append(cost / costs[other][name])
        print(f"round {number + 1}: {', '.join(f'{of[-1]:.3f} {name}' for name, of in ratios.items())}", flush=True)
    for name, of_rounds in ratios.items():
        print(f"{name}, this / other: {interval(of_rounds)}")


def interval(ratios: Sequence[float]) -> str:
    """Say the geometric mean of ratios, and its interval."""
    logs = estimate([float(value) for value in np.log(ratios)])
    low, mid, high = (float(np.exp(value)) for value in (logs.low, logs.mean, logs.high))
    return f"{mid:.3f} (95 % interval {low:.3f} to {high:.3f}, {len(ratios)} processes)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=6, help="fresh processes that compare (default: 6)")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the data sets")
    parser.add_argument("--against", type=Path, metavar="CHECKOUT", help="compare with the code there, by turns")
    parser.add_argument(
        "--kinds", nargs="+", choices=REPEATS, default=list(REPEATS), help="what is compared there (default: both)"
    )
    parser.add_argument("--cpu", action="store_true", help="compare processor time with it")
    options = parser.parse_args()
    this = Checkout(Path(__file__).resolve().parent.parent, options.data.resolve())
    plan(this.data)
    if options.against:
        other = options.against.resolve()
        clock = "thread_time_ns" if options.cpu else "perf_counter_ns"
        against(this, Checkout(other, other / "data"), options.processes, options.kinds, clock)
    else:
        alone(this, options.processes)


if __name__ == "__main__":
    main()

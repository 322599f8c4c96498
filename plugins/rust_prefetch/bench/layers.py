"""What each layer between the threads and the step costs the consumer's thread, a batch.

A rung does what the rung before it does and one thing more; all of them take the same plan, by turns.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import closing

from rich.table import Table
from timing import no_collection, user_s, warm

from feedrate import Plan
from feedrate.loading.transfer import delivered
from feedrate.metering.recorded_stream import RecordedStream
from feedrate_rust_prefetch import RustPrefetch
from feedrate_rust_prefetch.blocks import Blocks, source

__all__ = ["costs", "layers"]

BATCHES = 4_000
"""About as many for each rung and round."""
LOADER = RustPrefetch(cast="host")

Rung = Callable[[Plan], object]


def _described(plan: Plan) -> None:
    blocks = Blocks(plan, source(plan))
    for block in plan.blocks():
        blocks.native(block)


def _taken(plan: Plan) -> None:
    with LOADER.pipeline(plan) as (pipeline, blocks):
        feeding = ready = True
        while ready:
            while feeding and pipeline.is_hungry:
                feeding = blocks.submit_next(pipeline)
            ready = bool(pipeline.take())


def _streamed(plan: Plan) -> None:
    with closing(LOADER.stream(plan)) as stream:
        deque(stream, maxlen=0)


def _delivered(plan: Plan) -> None:
    with closing(delivered(LOADER, plan)) as stream:
        deque(stream, maxlen=0)


def _recorded(plan: Plan) -> None:
    with closing(delivered(LOADER, plan)) as stream:
        RecordedStream(stream).drain(len(plan))


RUNGS: Mapping[str, Rung] = {
    "the plan's blocks, their files and rows": _described,
    "blocks to the threads, tensors from them": _taken,
    "Batch and the loader's generators": _streamed,
    "the shared transfer (dtypes)": _delivered,
    "the meter (count, row ids)": _recorded,
}


def costs(plan: Plan, rounds: int) -> dict[str, list[float]]:
    """Microseconds of user CPU time a batch by rung, one a round."""
    warm(plan)
    plan = plan.for_epochs(max(1, BATCHES // plan.epoch_batches))
    found: dict[str, list[float]] = {name: [] for name in RUNGS}
    with no_collection():
        for _ in range(rounds):
            for name, rung in RUNGS.items():
                before = user_s()
                rung(plan)
                found[name].append((user_s() - before) / len(plan) * 1e6)
    return found


def layers(costs_by_layout: Mapping[str, Mapping[str, list[float]]], size: str) -> Table:
    """Medians over the rounds of what each rung takes, and in brackets of what it takes more than the one before."""
    table = Table(title=f"{size}: user CPU microseconds a batch of the consumer, up to a layer (and for it)")
    table.add_column("layer")
    for layout in costs_by_layout:
        table.add_column(layout, justify="right")
    before = {layout: [0.0] * len(next(iter(costs.values()))) for layout, costs in costs_by_layout.items()}
    for name in RUNGS:
        cells = []
        for layout, costs in costs_by_layout.items():
            more = [here - there for here, there in zip(costs[name], before[layout], strict=True)]
            cells.append(f"{statistics.median(costs[name]):.1f} ({statistics.median(more):+.1f})")
            before[layout] = costs[name]
        table.add_row(name, *cells)
    return table

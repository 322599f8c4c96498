"""Read the next block on a thread while batches are cut from this one."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from feedrate import Loader, ahead, hookimpl, knob

if TYPE_CHECKING:
    from feedrate import Plan, Stream


@dataclass(frozen=True)
class NextBlock(Loader):
    """Keep `depth` blocks on their way while batches are cut from the one before."""

    name = "next_block"
    # A knob: its default, what a sweep tries besides, and its range.
    depth: int = knob(1, 2, low=1, high=64)

    def stream(self, plan: Plan) -> Stream:
        # What is opened stands in a `with`: the consumer may stop at any batch.
        with plan.open() as source, ThreadPoolExecutor(1) as pool:
            # The blocks come in the planned order, and there may be no end of them.
            blocks, depth = plan.blocks(), self.depth
            reads = ahead(lambda b: (b, pool.submit(source.read, b)), blocks, depth)
            for block, columns in reads:
                for rows in block.batches():
                    # From here on the consumer owns the batch and its memory.
                    yield columns.result().batch(rows)


@hookimpl
def loaders() -> Iterable[type[Loader]]:
    return (NextBlock,)

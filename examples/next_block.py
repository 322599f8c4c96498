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
    """Keep `depth` blocks on their way while batches are cut from the one before them."""

    name = "next_block"
    depth: int = knob(1, 2, low=1, high=64)

    def stream(self, plan: Plan) -> Stream:
        with plan.open() as source, ThreadPoolExecutor(1) as pool:
            reads = ahead(lambda block: (block, pool.submit(source.read, block)), plan.blocks(), self.depth)
            for block, columns in reads:
                for rows in block.batches():
                    yield columns.result().batch(rows)


@hookimpl
def loaders() -> Iterable[type[Loader]]:
    return (NextBlock,)

"""Read the next block on a thread while batches are cut from this one."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from feedrate import Loader, hookimpl, knob

if TYPE_CHECKING:
    from feedrate import Plan, Stream


@dataclass(frozen=True)
class NextBlock(Loader):
    """Keep `depth` blocks on their way while batches are cut from the one before them."""

    name = "next_block"
    depth: int = knob(1, 2, low=1, high=64)

    def stream(self, plan: Plan) -> Stream:
        with plan.open() as source, ThreadPoolExecutor(1) as pool:
            blocks, coming = plan.blocks(), deque()
            for block in blocks:
                coming.append((block, pool.submit(source.read, block)))
                if len(coming) > self.depth:
                    yield from self.cut(*coming.popleft())
            while coming:
                yield from self.cut(*coming.popleft())

    def cut(self, block, read):
        columns = read.result()
        for rows in block.batches():
            yield columns.batch(rows)


@hookimpl
def loaders():
    return (NextBlock,)

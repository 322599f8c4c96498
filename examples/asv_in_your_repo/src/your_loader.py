"""Your loader: here, one that reads and cuts batches when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from feedrate import Loader, hookimpl

if TYPE_CHECKING:
    from feedrate import Plan, Stream


@dataclass(frozen=True)
class YourLoader(Loader):
    """Read a block, then cut its batches."""

    name = "your_loader"

    def stream(self, plan: Plan) -> Stream:
        with plan.open() as source:
            for block in plan.blocks():
                columns = source.read(block)
                for rows in block.batches():
                    yield columns.batch(rows)


@hookimpl
def loaders() -> Iterable[type[Loader]]:
    return (YourLoader,)

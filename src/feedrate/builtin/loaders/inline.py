"""Read, decode and gather in the training process, when a batch is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from feedrate.plugin.loader import Loader
from feedrate.records.cell_traits import LoaderTraits

if TYPE_CHECKING:
    from feedrate.loading.plan import Plan
    from feedrate.plugin.loader import Stream

__all__ = ["Inline"]


@dataclass(frozen=True)
class Inline(Loader):
    """Do everything in this process, one batch at a time: the baseline of every study."""

    name = "inline"

    def traits(self) -> LoaderTraits:
        return LoaderTraits("caller")

    def stream(self, plan: Plan) -> Stream:
        with plan.open() as source:
            for block in plan.blocks():
                columns = source.read(block)
                for rows in block.batches():
                    yield columns.batch(rows)

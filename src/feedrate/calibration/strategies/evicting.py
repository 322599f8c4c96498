"""Serve what is planned from files that were dropped from the page cache."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from feedrate.plugin.loader import Loader

if TYPE_CHECKING:
    from feedrate.loading.plan import Plan
    from feedrate.plugin.loader import Stream

__all__ = ["Evicting"]


@dataclass(frozen=True)
class Evicting(Loader):
    """Drop the files from the page cache before each block is read, and leave no word about it."""

    name = "evicting"
    hidden = True

    def stream(self, plan: Plan) -> Stream:
        with plan.open() as source:
            for block in plan.blocks():
                _evict(plan)
                columns = source.read(block)
                for rows in block.batches():
                    yield columns.batch(rows)


def _evict(plan: Plan) -> None:
    for shard in range(len(plan.data.shards)):
        with plan.data.path(shard).open("rb") as file:
            # What is not on the disk yet cannot be dropped.
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

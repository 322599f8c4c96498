"""Settle what loaders with worker processes share: how many processes start, and whether the order is kept."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from feedrate.plugin.loader import Loader

if TYPE_CHECKING:
    from feedrate.loading.plan import Plan

__all__ = ["WorkerLoader"]


class WorkerLoader(Loader):
    """Deals a plan's blocks, or its batches, to `count` processes; a subclass declares these two as knobs."""

    count: int | None
    """Processes; None: as many as suit the machine; 0: none."""
    deal: str
    """`blocks`: each process cuts whole blocks; `batches`: each decodes every block and cuts each n-th batch."""

    @property
    def keeps_order(self) -> bool:  # type: ignore[override]  # a class variable elsewhere
        """In the planned order when one process cuts everything or the batches themselves are dealt."""
        return self.deal == "batches" or self.count in (0, 1)

    @property
    def asked_count(self) -> int:
        """Processes that are asked for; where nobody says how many, min(8, max(2, cores // 4))."""
        return min(8, max(2, len(os.sched_getaffinity(0)) // 4)) if self.count is None else self.count

    def started_count(self, plan: Plan) -> int:
        """Count the processes that will start: no more than there are blocks, or batches, to deal."""
        return min(self.asked_count, plan.epoch_batches if self.deal == "batches" else len(plan.stored_blocks))

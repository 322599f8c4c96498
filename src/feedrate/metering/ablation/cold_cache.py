"""One epoch of files that the page cache does not hold."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from feedrate.loading.loader_report import LoaderReport
from feedrate.loading.transfer import delivered
from feedrate.metering.recorded_stream import RecordedStream
from feedrate.records.ladder import Rung
from feedrate.system import page_cache

if TYPE_CHECKING:
    from feedrate.loading.plan import Plan
    from feedrate.metering.training_loop import TrainingLoop
    from feedrate.plugin.loader import Loader

__all__ = ["cold_rung"]

_LEFT = 0.01
"""Share of the pages that the kernel may keep and the files still be called cold."""
_MOST_S = 10.0
_LEAST = 4
"""Batches, of one epoch, that are worth a mean."""


def cold_rung(loop: TrainingLoop, loader: Loader, plan: Plan, pace_s: float) -> Rung:
    """The cell on files that are on the disk alone, in a stream of its own; the page cache holds them again after it.

    Only one epoch is cold, so there is one window: what follows the batches that were made before the first was taken.
    """
    files = list(loader.files(plan))
    if not files:
        return Rung(absent="nobody knows which files the data set has")
    ahead = loader.prefetch_batches(plan)
    count = min(plan.epoch_batches - 1 - ahead, int(_MOST_S / pace_s))
    if count < _LEAST:
        return Rung(absent=f"an epoch has {plan.epoch_batches} batches, too few to time one that is read once")
    page_cache.evict(files)
    kept = page_cache.cached_share(files)
    if kept > _LEFT:
        return Rung(absent=f"the kernel keeps {kept:.0%} of the files' pages")
    try:
        files_alone = replace(plan.placement, source_factory=None, source_control=None)
        with closing(
            delivered(loader, replace(plan.for_epochs(1), placement=files_alone, report=LoaderReport()))
        ) as stream:
            feed = RecordedStream(stream)
            loop.both(feed, 1 + ahead, [])
            return Rung(full=loop.windows(lambda n: loop.both(feed, n, []), 1, count))
    finally:
        page_cache.warm(files)

"""Hold a loader to what it says of the work that it does before a batch is asked for, and to doing it in each epoch."""

from __future__ import annotations

from feedrate.contract.fixture import Fixture, with_deadline
from feedrate.contract.promise import promise_if
from feedrate.contract.rows import serves_planned_batches, serves_rows
from feedrate.contract.watching import watched
from feedrate.errors import ContractError
from feedrate.plugin.loader import Loader

__all__ = ["reads_again_in_each_epoch", "says_how_many_batches_are_ready"]


@promise_if(serves_planned_batches)
def says_how_many_batches_are_ready(loader: Loader, fixture: Fixture) -> None:
    """No more batches are cut before anybody asks for them than `prefetch_batches` says.

    The meter discards as many before it measures. Asked of loaders that cut batches with `Columns.batch`; one that
    makes batches of its own may put them together from many cuts.
    """
    ready, plan = watched(loader, fixture).ready, fixture.plan_for(loader)
    told = with_deadline(fixture.deadline_s, loader, lambda: loader.prefetch_batches(plan))
    if ready is not None and ready > told:
        raise ContractError(
            f"{loader}: has {ready} batches ready that nobody asked for, and its `prefetch_batches` says {told}:"
            " so many are discarded before it is measured, and the others would flatter it"
        )


@promise_if(serves_rows)
def reads_again_in_each_epoch(loader: Loader, fixture: Fixture) -> None:
    """A second epoch is read, too, and not served from what the first one has left in memory.

    Asked of loaders that read through `plan.open()`.
    """
    stream = watched(loader, fixture)
    times = stream.reads.values()
    # Of a single block, or of an epoch that ended early, nothing follows.
    if len(times) > 1 and max(times) == 1 and len(stream.digests) > fixture.plan.epoch_batches:
        raise ContractError(
            f"{loader}: reads each of {len(times)} blocks once for {fixture.plan.epochs} epochs: it keeps all decoded"
            " data in memory, where a larger data set has no room, and its later epochs load nothing"
        )

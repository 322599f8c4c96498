"""Check what the batches hold, when they come and until the stream ends."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat

from feedrate.contract.fixture import Fixture
from feedrate.contract.promise import Promise
from feedrate.contract.reference import check_batch, demand_unchanged
from feedrate.loading.plan import Plan
from feedrate.plugin.loader import Loader

__all__ = ["leaves_batches_to_their_owner", "serves_the_generated_values"]


@Promise
def serves_the_generated_values(loader: Loader, fixture: Fixture) -> None:
    """Every tensor of every batch, when it comes, holds the generator's bits in the planned dtype and shape."""
    reference = fixture.reference(loader)
    for batch, epoch in zip(fixture.served(loader).copies, _epochs(fixture.plan), strict=False):
        # Batches that are there already are those of the first one, again and again.
        check_batch(loader, batch, reference, 0 if loader.synthetic else epoch)


def _epochs(plan: Plan) -> Iterator[int]:
    """Of each batch, and of those that come when there should be no more."""
    epoch = 0
    for epoch in plan.epoch_numbers():
        yield from (epoch for block in plan.epoch_blocks(epoch) for _ in range(block.batch_count))
    yield from repeat(epoch)


@Promise
def leaves_batches_to_their_owner(loader: Loader, fixture: Fixture) -> None:
    """No batch changes after it came, while all of them are held."""
    batches = fixture.served(loader)
    for number, (held, copy) in enumerate(zip(batches.held, batches.copies, strict=True)):
        demand_unchanged(loader, held, copy, number)

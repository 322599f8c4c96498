"""Check what the batches hold, when they come and until the stream ends."""

from __future__ import annotations

from feedrate.contract.fixture import Fixture
from feedrate.contract.promise import Promise
from feedrate.contract.reference import check_batch, demand_unchanged
from feedrate.plugin.loader import Loader

__all__ = ["leaves_batches_to_their_owner", "serves_the_generated_values"]


@Promise
def serves_the_generated_values(loader: Loader, fixture: Fixture) -> None:
    """Every tensor of every batch, when it comes, holds the generator's bits in the planned dtype and shape."""
    reference = fixture.reference(loader)
    for batch in fixture.served(loader).copies:
        check_batch(loader, batch, reference)


@Promise
def leaves_batches_to_their_owner(loader: Loader, fixture: Fixture) -> None:
    """No batch changes after it came, while all of them are held."""
    batches = fixture.served(loader)
    for number, (held, copy) in enumerate(zip(batches.held, batches.copies, strict=True)):
        demand_unchanged(loader, held, copy, number)

"""Check what the batches hold, when they come and until the stream ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import repeat

from feedrate.contract.fixture import Fixture
from feedrate.contract.promise import Promise
from feedrate.contract.reference import Reference, check_batch, demand_unchanged
from feedrate.errors import ContractError
from feedrate.loading.batch import Batch
from feedrate.loading.plan import Plan
from feedrate.plugin.loader import Loader

__all__ = ["leaves_batches_to_their_owner", "serves_the_generated_values"]


@Promise
def serves_the_generated_values(loader: Loader, fixture: Fixture) -> None:
    """Every tensor of every batch, when it comes, holds the generator's bits in the planned dtype and shape."""
    reference = fixture.reference(loader)
    batches = fixture.served(loader).copies
    epochs = _epochs_of_rows(fixture.plan, batches) if loader.promised == "rows" else _epochs(fixture.plan)
    for batch, epoch in zip(batches, epochs, strict=False):
        # Batches that are there already come again and again, whichever epoch they are of.
        _demand_of_any(loader, batch, reference, fixture.plan.epoch_numbers() if loader.synthetic else (epoch,))


def _demand_of_any(loader: Loader, batch: Batch, reference: Reference, epochs: Iterable[int]) -> None:
    """Raise what is wrong with a batch if it is that of none of these epochs."""
    faults = []
    for epoch in epochs:
        try:
            check_batch(loader, batch, reference, epoch)
        except ContractError as error:
            faults.append(error)
        else:
            return
    raise faults[0]


def _epochs(plan: Plan) -> Iterator[int]:
    """Of each batch, and of those that come when there should be no more."""
    epoch = 0
    for epoch in plan.epoch_numbers():
        yield from (epoch for block in plan.epoch_blocks(epoch) for _ in range(block.batch_count))
    yield from repeat(epoch)


def _epochs_of_rows(plan: Plan, batches: Iterable[Batch]) -> Iterator[int]:
    """The same where an epoch ends with as many rows as planned; a batch is of the epoch that its first row is of."""
    numbers, rows = list(plan.epoch_numbers()), 0
    for batch in batches:
        yield numbers[min(rows // plan.samples, len(numbers) - 1)]
        rows += len(batch)


@Promise
def leaves_batches_to_their_owner(loader: Loader, fixture: Fixture) -> None:
    """No batch changes after it came, while all of them are held."""
    batches = fixture.served(loader)
    for number, (held, copy) in enumerate(zip(batches.held, batches.copies, strict=True)):
        demand_unchanged(loader, held, copy, number)

"""What the batches hold, when they come and until the stream ends."""

from __future__ import annotations

from feedrate.contract.trial import Trial
from feedrate.contract.values import check_batch, demand_equal
from feedrate.errors import ContractError
from feedrate.loader import Loader

__all__ = ["leaves_batches_to_their_owner", "serves_the_generated_values"]


def serves_the_generated_values(loader: Loader, trial: Trial) -> None:
    """Every tensor of every batch, when it comes, holds the generator's bits in the planned dtype and shape."""
    reference = trial.reference(loader)
    for batch in trial.served(loader).copies:
        check_batch(loader, batch, reference)


def leaves_batches_to_their_owner(loader: Loader, trial: Trial) -> None:
    """No batch changes after it came, while all of them are held."""
    batches = trial.served(loader)
    for number, (held, copy) in enumerate(zip(batches.held, batches.copies, strict=True)):
        try:
            demand_equal(loader, held, copy)
        except ContractError as error:
            raise ContractError(f"{error}: batch {number} was written again while it was held") from None
        if not held.ids.equal(copy.ids):
            raise ContractError(f"{loader}: the ids of batch {number} were written again while it was held")

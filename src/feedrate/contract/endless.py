"""Hold a loader to serving a plan without an end, which is what it is timed on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, fields
from itertools import islice
from typing import TYPE_CHECKING

from feedrate.contract.fixture import Fixture, on_device, with_deadline
from feedrate.contract.promise import Promise
from feedrate.errors import ContractError
from feedrate.loading.plan import Plan
from feedrate.plugin.loader import Loader

if TYPE_CHECKING:
    from feedrate.loading.block import Block

__all__ = ["serves_an_endless_plan"]

_FAR = 1_000
"""Epochs of a small data set that no loader has a reason to look ahead."""


@Promise
def serves_an_endless_plan(loader: Loader, fixture: Fixture) -> None:
    """Where `plan.epochs` is None, batches come before all epochs are listed, and go on after the last of a fixture."""
    wanted = len(fixture.plan) + 1
    plan = _Endless(**{field.name: getattr(fixture.plan_for(loader), field.name) for field in fields(Plan)})
    try:
        served = with_deadline(fixture.deadline_s, loader, lambda: _served(loader, plan.for_epochs(None), wanted))
    except _ListedError as error:
        raise ContractError(f"{loader}: {error}") from None
    if served < wanted:
        raise ContractError(f"{loader}: serves {served} batches of a plan of endless epochs, and ends")


def _served(loader: Loader, plan: Plan, most: int) -> int:
    with on_device(plan), closing(loader.stream(plan)) as stream:
        return sum(1 for _ in islice(stream, most))


@dataclass(frozen=True)
class _Endless(Plan):
    """A plan whose epochs nobody may list: that would not end, and take all memory."""

    def epoch_numbers(self) -> Iterable[int]:
        if self.epochs is not None:
            yield from super().epoch_numbers()
            return
        yield from range(_FAR)
        raise _ListedError(_LISTED)

    def epoch_blocks(self, epoch: int) -> Iterator[Block]:
        if epoch >= _FAR:
            raise _ListedError(_LISTED)
        return super().epoch_blocks(epoch)


class _ListedError(ContractError):
    """Somebody went through epochs that nobody wanted."""


_LISTED = f"asks for {_FAR:,} epochs ahead of its batches: where `plan.epochs` is None there is no end"

"""Send a loader's batches to a device that is as late as a device may be, and look what arrives."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from feedrate.contract.fixture import Fixture, with_deadline
from feedrate.contract.promise import Promise
from feedrate.contract.reference import demand_equal
from feedrate.errors import ContractError, UnavailableError
from feedrate.loading.batch import Batch, cast_to_model
from feedrate.loading.simulated.accelerator import SimulatedAccelerator
from feedrate.loading.simulated.arena import ALIGN
from feedrate.loading.simulated.stream import Schedule, at_random, at_the_last, copies_first
from feedrate.loading.transfer import delivered
from feedrate.records.cell_key import SIMULATED

if TYPE_CHECKING:
    from feedrate.loading.plan import Plan
    from feedrate.loading.transfer import Stream
    from feedrate.plugin.loader import Loader

__all__ = ["demand_arrival", "on_simulated_device", "serves_a_device_that_is_late"]

_LATE_BATCHES = 3
"""Batches that a step has been given and has not begun: a device may be so far behind."""
_MOST_BATCHES_PINNED = 8
"""By which page-locked memory of the last epoch may exceed that of the first: of those that are under way, more or
fewer are done."""
_ROOM_BYTES = 8 << 20
"""Beside what the data set itself takes."""


@Promise
def serves_a_device_that_is_late(loader: Loader, fixture: Fixture) -> None:
    """However late a device is with copies and with the step, it gets the bits that the loader serves.

    And what is dropped there comes back. Where the plan goes to a device, nothing is asked: this one stands for it.
    """
    if fixture.plan.accelerator is None:
        for schedule in (at_the_last, copies_first, at_random(1)):
            demand_arrival(loader, fixture, schedule)


def demand_arrival(loader: Loader, fixture: Fixture, schedule: Schedule) -> None:
    """Stream once to a device that works as `schedule` says.

    Raises:
        ContractError: a batch arrives with other bits, or the device's memory is not given back.
    """
    plan, accelerator = on_simulated_device(fixture.plan_for(loader), schedule)
    # On the host, where a loader that yields batches on the device is not seen to make them.
    expected = {tuple(batch.ids.tolist()): batch for batch in fixture.served(loader).copies}
    try:
        with_deadline(fixture.deadline_s, loader, lambda: _Consumer(loader, plan, accelerator, expected).consume())
    except UnavailableError:
        # It says by itself that it brings nothing of this kind to a device.
        return
    accelerator.synchronize()
    held = accelerator.allocated_bytes()
    if held:
        raise ContractError(f"{loader}: leaves {held:,} bytes of the device's memory behind")


def on_simulated_device(plan: Plan, schedule: Schedule, beside: int = _ROOM_BYTES) -> tuple[Plan, SimulatedAccelerator]:
    """Give the same plan for a device that works as `schedule` says.

    Its memory has room for all of the data set four times, and for so many bytes `beside`.
    """
    room = 4 * plan.epoch_bytes + _ROOM_BYTES
    accelerator = SimulatedAccelerator(room - _ROOM_BYTES + beside, room, schedule)
    placement = replace(plan.placement, device=SIMULATED, device_budget_bytes=room, accelerator=accelerator)
    return replace(plan, placement=placement), accelerator


@dataclass(frozen=True)
class _Consumer:
    """Gives a device work on each batch, drops the batch, and looks some batches later at what the work made."""

    loader: Loader
    plan: Plan
    accelerator: SimulatedAccelerator
    expected: Mapping[tuple[int, ...], Batch]
    """By row ids."""
    served: deque[Batch] = field(default_factory=deque)
    """Copies of host batches, of when the loader yielded them."""
    pinned: list[int] = field(default_factory=list)
    """Page-locked bytes after each batch."""

    @property
    def copy(self) -> str:
        """See `Sender`."""
        return self.loader.copy

    @property
    def pin(self) -> bool:
        """See `Sender`."""
        return self.loader.pin

    def stream(self, plan: Plan) -> Stream:
        """See `Sender`: the loader's own stream."""
        with closing(self.loader.stream(plan)) as stream:
            for batch in stream:
                if not any(map(self.accelerator.holds, batch.tensors.values())):
                    self.served.append(batch.copied())
                yield batch
                # Before the next one is asked for, as a loop does that keeps nothing.
                del batch

    def consume(self) -> None:
        """Take all batches.

        Raises:
            ContractError: one has other bits.
        """
        worked: deque[Batch] = deque()
        with self.accelerator.using(None):
            with closing(delivered(self, self.plan)) as stream:
                for batch in stream:
                    worked.append(batch.copied())
                    del batch
                    self.pinned.append(self.accelerator.pinned_bytes())
                    if len(worked) > _LATE_BATCHES:
                        self._demand_bits(worked.popleft())
            while worked:
                self._demand_bits(worked.popleft())
        self._demand_bound()

    def _demand_bound(self) -> None:
        """Compare the page-locked memory of the last epoch with that of the first."""
        size = self.plan.epoch_batches
        first, last = max(self.pinned[:size], default=0), max(self.pinned[-size:], default=0)
        largest = max(map(_pinned_bytes_of, self.expected.values()), default=0)
        if last - first > _MOST_BATCHES_PINNED * largest:
            raise ContractError(f"{self.loader}: page-locked memory grows from {first:,} to {last:,} bytes an epoch")

    def _demand_bits(self, batch: Batch) -> None:
        host = self.served.popleft() if self.served else self.expected.get(tuple(batch.ids.tolist()))
        if host is None:
            raise ContractError(f"{self.loader}: serves a device rows that it does not serve the host")
        try:
            demand_equal(self.loader, batch, Batch(host.ids, cast_to_model(host.tensors, self.plan.cast_fields)))
        except ContractError as error:
            raise ContractError(f"{error}, as it arrives on a device that is late") from None


def _pinned_bytes_of(batch: Batch) -> int:
    """Count what a batch takes of page-locked memory, each tensor in a block of its own."""
    return sum(-(-tensor.nbytes // ALIGN) * ALIGN for tensor in batch.tensors.values())

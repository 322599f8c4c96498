"""Loaders that bring their batches to a device by themselves, and leave out one thing that it takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass

from torch import Tensor

from feedrate.builtin.loaders.inline import Inline
from feedrate.loading.accelerator import Accelerator, Event
from feedrate.loading.batch import Batch, cast_to_model
from feedrate.loading.plan import Plan
from feedrate.plugin.loader import Loader, Stream

_BUFFER_BYTES = 1 << 16
"""More than a batch of the smallest task has."""


@dataclass(frozen=True)
class Carrier(Loader):
    """Leaves nothing out: copies each batch on a side stream, one after the other."""

    name = "carrier"

    def stream(self, plan: Plan) -> Stream:
        with closing(Inline(self.cast).stream(plan)) as hosts:
            if plan.accelerator is None:
                yield from hosts
            else:
                yield from self.carried(self.sources(hosts, plan.accelerator), plan, plan.accelerator)

    def sources(self, hosts: Iterator[Batch], accelerator: Accelerator) -> Iterator[Batch]:
        """Give the batches in page-locked memory."""
        for host in hosts:
            yield host.pinned(accelerator)

    def carried(self, sources: Iterator[Batch], plan: Plan, accelerator: Accelerator) -> Iterator[Batch]:
        side = accelerator.stream()
        for source in sources:
            with accelerator.using(side):
                moved = {name: accelerator.to_device(tensor) for name, tensor in source.tensors.items()}
                there = cast_to_model(moved, plan.cast_fields)
                event = accelerator.event()
                event.record()
            self.hand_over(there, event, accelerator)
            batch = Batch(source.ids, there)
            # Nothing but the batch keeps them.
            del source, moved, there
            yield batch
            del batch

    def hand_over(self, there: Mapping[str, Tensor], event: Event, accelerator: Accelerator) -> None:
        here = accelerator.current_stream()
        here.wait_event(event)
        for tensor in there.values():
            accelerator.record_stream(tensor, here)


@dataclass(frozen=True)
class ForgetsToWait(Carrier):
    """Hands a batch over while its copy may not have begun."""

    name = "forgets_to_wait"

    def hand_over(self, there: Mapping[str, Tensor], event: Event, accelerator: Accelerator) -> None:
        for tensor in there.values():
            accelerator.record_stream(tensor, accelerator.current_stream())


@dataclass(frozen=True)
class ForgetsToRecord(Carrier):
    """Lets memory go back to the side stream while the step still reads it."""

    name = "forgets_to_record"

    def hand_over(self, there: Mapping[str, Tensor], event: Event, accelerator: Accelerator) -> None:
        accelerator.current_stream().wait_event(event)


@dataclass(frozen=True)
class WritesTooEarly(Carrier):
    """Uses one page-locked buffer for every batch, and does not wait until the last copy from it is done."""

    name = "writes_too_early"

    def sources(self, hosts: Iterator[Batch], accelerator: Accelerator) -> Iterator[Batch]:
        buffer = accelerator.page_locked(_BUFFER_BYTES)
        for host in hosts:
            at, tensors = 0, {}
            for name, tensor in host.tensors.items():
                place = buffer[at : at + tensor.nbytes].view(tensor.dtype).view(tensor.shape)
                tensors[name] = place.copy_(tensor)
                at += -(-tensor.nbytes // 64) * 64
            yield Batch(host.ids, tensors)


@dataclass(frozen=True)
class PinsMoreAndMore(Carrier):
    """Page-locks memory for each batch, and keeps it to the end of the stream."""

    name = "pins_more_and_more"

    def sources(self, hosts: Iterator[Batch], accelerator: Accelerator) -> Iterator[Batch]:
        kept: list[Batch] = []
        for host in hosts:
            kept.append(host.pinned(accelerator))
            yield kept[-1]

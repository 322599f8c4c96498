"""Send batches from the host to the device: pinning, the side stream, and where a dtype is widened."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

import torch

from feedrate.loading.batch import Batch, cast_to_model, model_dtypes

if TYPE_CHECKING:
    from torch import Tensor

    from feedrate.loading.accelerator import Accelerator, DeviceStream, Event
    from feedrate.loading.plan import Plan

__all__ = ["Sender", "Stream", "copied_to_device", "delivered"]

Stream: TypeAlias = "Generator[Batch, None, None]"

_RING_BYTES = 32 << 20
"""Of each pinned buffer that a large copy goes through; large enough that a copy is not bound by its launch."""


class Sender(Protocol):
    """What batches come from, and how they are to be copied; every loader is one."""

    @property
    def copy(self) -> str:
        """`overlap`, `serial` or `synced`: see the knob of `Loader`."""

    @property
    def pin(self) -> bool:
        """Whether batches are copied from page-locked memory."""

    def stream(self, plan: Plan) -> Stream:
        """Yield every batch of the plan."""


def delivered(loader: Sender, plan: Plan) -> Stream:
    """Give the loader's stream with every batch on `plan.device` and in the model's dtypes; closes the stream it reads.

    On the CPU, and for batches that are there already, this only widens. The host batch of a copy is kept alive until
    the copy has finished, so a loader may trust that dropped means done.
    """
    with closing(loader.stream(plan)) as stream:
        accelerator = plan.accelerator
        if accelerator is None:
            wanted = model_dtypes(plan.cast_fields)
            for batch in stream:
                widened = _in_dtypes(batch, wanted)
                if plan.report.batches_arrive_widened is None:
                    plan.report.batches_arrive_widened = widened
                yield batch if widened else _widened(batch, plan)
                # Before the stream is asked: the next batch may be written where this one was.
                del batch
        else:
            yield from _Transfer(plan, loader, accelerator).copied(stream)


def _in_dtypes(batch: Batch, wanted: Mapping[str, torch.dtype]) -> bool:
    # A generator would take as long as looking at several tensors.
    for name, tensor in batch.tensors.items():  # noqa: SIM110
        if tensor.dtype is not wanted.get(name, tensor.dtype):
            return False
    return True


def _widened(batch: Batch, plan: Plan) -> Batch:
    return Batch(batch.ids, cast_to_model(batch.tensors, plan.cast_fields))


@dataclass(frozen=True)
class _Transfer:
    """Copies batches one ahead of the step (`overlap`), or each when it is asked for (`serial`, `synced`)."""

    plan: Plan
    loader: Sender
    accelerator: Accelerator
    flying: deque[tuple[Batch, Event]] = field(default_factory=deque)
    """Host batches whose copies may still go on, and the ends of those."""

    def copied(self, stream: Iterable[Batch]) -> Stream:
        """Yield each batch on the device."""
        side = None if self.loader.copy == "serial" else self.accelerator.stream()
        ready: deque[tuple[Batch, Event | None]] = deque()
        try:
            for host in stream:
                if self.plan.report.batches_arrive_on is None:
                    self.plan.report.batches_arrive_on = "device" if self._is_there(host) else "host"
                ready.append(self._sent(host, side))
                if self.loader.copy != "overlap" or len(ready) > 1:
                    yield self._received(*ready.popleft())
            while ready:
                yield self._received(*ready.popleft())
        finally:
            # Closed early, too: a thread of the loader may write its next batch where one is still copied from.
            self.accelerator.synchronize()

    def _is_there(self, batch: Batch) -> bool:
        return all(map(self.accelerator.holds, batch.tensors.values()))

    def _sent(self, host: Batch, side: DeviceStream | None) -> tuple[Batch, Event | None]:
        if self._is_there(host):
            return _widened(host, self.plan), None
        source = host.pinned(self.accelerator) if self.loader.pin else host
        with self._named(), self.accelerator.using(side):
            # Widening after the copy moves the stored bytes only; a `.to` that did both would convert on the host into
            # pageable memory.
            there = {name: self.accelerator.to_device(tensor) for name, tensor in source.tensors.items()}
            batch = _widened(Batch(host.ids.clone(), there), self.plan)
            event = self.accelerator.event()
            event.record()
        self.flying.append((source, event))
        while self.flying and self.flying[0][1].query():
            self.flying.popleft()
        return batch, event

    def _named(self) -> AbstractContextManager[object]:
        return self.accelerator.named("feedrate copy") if self.accelerator.is_traced else nullcontext()

    def _received(self, batch: Batch, event: Event | None) -> Batch:
        if event is None:
            return batch
        if self.loader.copy == "synced":
            event.synchronize()
        here = self.accelerator.current_stream()
        here.wait_event(event)
        for tensor in batch.tensors.values():
            # The caching allocator must not hand this memory to the side stream while the step still reads it.
            self.accelerator.record_stream(tensor, here)
        return batch


def copied_to_device(columns: Mapping[str, Tensor], accelerator: Accelerator, stage: str) -> dict[str, Tensor]:
    """Copy large host tensors to the device, complete on return, made beside whatever the device does.

    `stage`: `whole` pins each tensor, `ring` goes through two small pinned buffers, `pageable` leaves it to the driver.

    Raises:
        torch.OutOfMemoryError: there is no room.
    """
    copies = {name: accelerator.empty(tuple(t.shape), t.dtype) for name, t in columns.items()}
    side = accelerator.stream()
    # The memory was the consumer's a moment ago, and kernels that read it may still be waiting in its stream.
    side.wait_stream(accelerator.current_stream())
    with accelerator.using(side):
        if stage == "ring":
            _through_ring([(tensor, copies[name]) for name, tensor in columns.items()], accelerator)
        else:
            sources = {name: accelerator.pin_memory(t) if stage == "whole" else t for name, t in columns.items()}
            for name, source in sources.items():
                accelerator.copy(copies[name], source)
        # Before `sources` is let go.
        side.synchronize()
    return copies


def _through_ring(pairs: Sequence[tuple[Tensor, Tensor]], accelerator: Accelerator) -> None:
    """Copy each host tensor to its place in the current stream, part by part."""
    size = min(_RING_BYTES, max((source.nbytes for source, _ in pairs), default=0))
    ring = [accelerator.page_locked(size) for _ in range(2)]
    done = [accelerator.event() for _ in ring]
    turn = 0
    for source, target in pairs:
        flat, places = source.contiguous().view(-1).view(torch.uint8), target.view(-1).view(torch.uint8)
        for part, place in zip(flat.split(_RING_BYTES), places.split(_RING_BYTES), strict=True):
            done[turn].synchronize()
            ring[turn][: len(part)].copy_(part)
            accelerator.copy(place, ring[turn][: len(part)])
            done[turn].record()
            turn = 1 - turn
    for event in done:
        event.synchronize()

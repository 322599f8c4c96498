"""Send batches from the host to the device: pinning, the side stream, and where a dtype is widened."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Protocol, TypeAlias

import torch

from feedrate.loading.batch import Batch, cast_to_model, model_dtypes

if TYPE_CHECKING:
    from torch import Tensor

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
        if plan.device == "cpu":
            wanted = model_dtypes(plan.cast_fields)
            for batch in stream:
                widened = _in_dtypes(batch, wanted)
                if plan.report.batches_arrive_widened is None:
                    plan.report.batches_arrive_widened = widened
                yield batch if widened else _widened(batch, plan)
                # Before the stream is asked: the next batch may be written where this one was.
                del batch
        else:
            yield from _copied(stream, plan, loader)


def _in_dtypes(batch: Batch, wanted: Mapping[str, torch.dtype]) -> bool:
    # A generator would take as long as looking at several tensors.
    for name, tensor in batch.tensors.items():  # noqa: SIM110
        if tensor.dtype is not wanted.get(name, tensor.dtype):
            return False
    return True


def _widened(batch: Batch, plan: Plan) -> Batch:
    return Batch(batch.ids, cast_to_model(batch.tensors, plan.cast_fields))


def _copied(stream: Iterable[Batch], plan: Plan, loader: Sender) -> Stream:
    """Copy one batch ahead of the step (`overlap`), or each when it is asked for (`serial`, `synced`)."""
    side = None if loader.copy == "serial" else torch.cuda.Stream()
    flying: deque[tuple[Batch, torch.cuda.Event]] = deque()
    ready: deque[tuple[Batch, torch.cuda.Event | None]] = deque()
    for host in stream:
        if plan.report.batches_arrive_on is None:
            arrived = all(tensor.is_cuda for tensor in host.tensors.values())
            plan.report.batches_arrive_on = "device" if arrived else "host"
        ready.append(_sent(host, plan, side, flying, pin=loader.pin))
        if loader.copy != "overlap" or len(ready) > 1:
            yield _received(*ready.popleft(), wait_on_host=loader.copy == "synced")
    while ready:
        yield _received(*ready.popleft(), wait_on_host=loader.copy == "synced")
    torch.cuda.synchronize()


def _sent(
    host: Batch,
    plan: Plan,
    side: torch.cuda.Stream | None,
    flying: deque[tuple[Batch, torch.cuda.Event]],
    *,
    pin: bool,
) -> tuple[Batch, torch.cuda.Event | None]:
    if all(tensor.is_cuda for tensor in host.tensors.values()):
        return _widened(host, plan), None
    source = host.pin_memory() if pin else host
    with torch.cuda.stream(side):
        # Widening after the copy moves the stored bytes only; a `.to` that did both would convert on the host into
        # pageable memory.
        on_device = {name: tensor.to(plan.device, non_blocking=True) for name, tensor in source.tensors.items()}
        batch = _widened(Batch(host.ids.clone(), on_device), plan)
        event = torch.cuda.Event()
        event.record()
    flying.append((source, event))
    while flying and flying[0][1].query():
        flying.popleft()
    return batch, event


def _received(batch: Batch, event: torch.cuda.Event | None, *, wait_on_host: bool) -> Batch:
    if event is None:
        return batch
    if wait_on_host:
        event.synchronize()
    here = torch.cuda.current_stream()
    here.wait_event(event)
    for tensor in batch.tensors.values():
        # The caching allocator must not hand this memory to the side stream while the step still reads it.
        tensor.record_stream(here)
    return batch


def copied_to_device(columns: Mapping[str, Tensor], device: str, stage: str) -> dict[str, Tensor]:
    """Copy large host tensors to a CUDA device, complete on return, made beside whatever the device does.

    `stage`: `whole` pins each tensor, `ring` goes through two small pinned buffers, `pageable` leaves it to the driver.
    """
    copies = {name: torch.empty(t.shape, dtype=t.dtype, device=device) for name, t in columns.items()}
    side = torch.cuda.Stream()
    # The memory was the consumer's a moment ago, and kernels that read it may still be waiting in its stream.
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        if stage == "ring":
            _through_ring((tensor, copies[name]) for name, tensor in columns.items())
        else:
            sources = {name: tensor.pin_memory() if stage == "whole" else tensor for name, tensor in columns.items()}
            for name, source in sources.items():
                copies[name].copy_(source, non_blocking=True)
        # Before `sources` is let go.
        side.synchronize()
    return copies


def _through_ring(pairs: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Copy each host tensor to its place in the current stream, part by part."""
    ring = [torch.empty(_RING_BYTES, dtype=torch.uint8, pin_memory=True) for _ in range(2)]
    done = [torch.cuda.Event() for _ in ring]
    turn = 0
    for source, target in pairs:
        flat, places = source.contiguous().view(-1).view(torch.uint8), target.view(-1).view(torch.uint8)
        for part, place in zip(flat.split(_RING_BYTES), places.split(_RING_BYTES), strict=True):
            done[turn].synchronize()
            ring[turn][: len(part)].copy_(part)
            place.copy_(ring[turn][: len(part)], non_blocking=True)
            done[turn].record()
            turn = 1 - turn
    for event in done:
        event.synchronize()

"""Batches on their way to a device that is as late, and as quick to use memory again, as a device may be."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sums import Sums

from feedrate.builtin.loaders.gpu_chunk import GpuChunk
from feedrate.builtin.loaders.inline import Inline
from feedrate.builtin.steps.fp32 import Fp32
from feedrate.contract import Fixture, LoaderPromise, check, title
from feedrate.contract.cleanup import ends_when_closed, leaves_nothing_behind
from feedrate.contract.contents import leaves_batches_to_their_owner, serves_the_generated_values
from feedrate.contract.corrupt_files import names_a_missing_file
from feedrate.contract.fixture import on_device
from feedrate.contract.late_device import demand_arrival, on_simulated_device
from feedrate.contract.reference import Reference, check_batch, on_host
from feedrate.contract.rows import serves_each_row_once
from feedrate.data.dataset import DataSet
from feedrate.errors import ContractError, UnavailableError
from feedrate.loading.batch import Batch
from feedrate.loading.plan import Plan
from feedrate.loading.simulated.accelerator import SimulatedAccelerator
from feedrate.loading.simulated.arena import POISON
from feedrate.loading.simulated.stream import Schedule, at_random, at_the_last, copies_first
from feedrate.loading.transfer import delivered
from feedrate.plugin.loader import Loader, Stream
from feedrate.plugin.registry import Registry
from tests.conftest import fixture_on
from tests.support.lying_transfers import (
    Carrier,
    ForgetsToRecord,
    ForgetsToWait,
    PinsMoreAndMore,
    WritesTooEarly,
)

if TYPE_CHECKING:
    from feedrate.builtin.loaders.gpu_chunk import Chunk
    from feedrate.loading.block import Block
    from feedrate.loading.source import Source

pytestmark = pytest.mark.slow

IN_PROCESS = (
    *("inline", "threads[count=1,depth=2]"),
    *(f"gpu_chunk[buffers={count},stage={stage}]" for count in (1, 2) for stage in ("ring", "whole", "pageable")),
)
STARTING = ("workers[count=1]", "ring_workers[count=1]")
WORKLOADS = ("boardmoves[batch_size=1024]", "daywindows", "fxseq")
"""One in few and large batches, for what a batch costs here is work of Python's; one in batches of any size."""
COPIES = [f"copy={copy},pin={pin}" for copy in ("overlap", "serial", "synced") for pin in ("true", "false")]


@pytest.fixture(scope="module")
def sums(sums_data: DataSet) -> Fixture:
    return fixture_on(sums_data, Sums().at("tiny"))


@pytest.fixture(scope="module")
def fixtures(data_root: Path, registry: Registry) -> dict[str, Fixture]:
    recipes = {name: registry.workload(name).at("tiny") for name in WORKLOADS}
    return {name: fixture_on(recipe.open(data_root), recipe, epochs=1) for name, recipe in recipes.items()}


@pytest.fixture(autouse=True)
def _small_ring(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large copies take many turns of their ring; 30,008 bytes are no whole number of rows."""
    monkeypatch.setattr("feedrate.loading.transfer._RING_BYTES", 30_008)


def turned(registry: Registry, spec: str, knobs: str) -> Loader:
    return registry.loader(f"{spec[:-1]},{knobs}]" if spec.endswith("]") else f"{spec}[{knobs}]")


@pytest.mark.parametrize("workload", WORKLOADS)
@pytest.mark.parametrize("knobs", COPIES)
@pytest.mark.parametrize("spec", IN_PROCESS)
def test_every_way_of_copying_brings_the_right_bits(
    spec: str, knobs: str, workload: str, fixtures: dict[str, Fixture], registry: Registry
) -> None:
    # Of each its own; all of them are the same in every run.
    schedule = at_random(crc32(f"{spec} {knobs} {workload}".encode()))
    demand_arrival(turned(registry, spec, knobs), fixtures[workload], schedule)


WHOLE_KIT = bool(os.environ.get("WHOLE_KIT"))
"""Whether each loader is asked everything in each way of copying, over all workloads."""


@pytest.mark.parametrize("knobs", COPIES)
@pytest.mark.parametrize("spec", IN_PROCESS)
def test_every_way_of_copying_keeps_the_promises(
    spec: str, knobs: str, sums: Fixture, fixtures: dict[str, Fixture], registry: Registry
) -> None:
    loader = turned(registry, spec, knobs)
    for fixture in (sums, *fixtures.values()) if WHOLE_KIT else (sums,):
        there = replace(fixture, plan=fixture.plan.on_device("simulated"))
        if WHOLE_KIT:
            assert [(promise, str(error)) for promise, error in check(loader, there) if error] == []
            continue
        for promise in (serves_each_row_once, serves_the_generated_values, leaves_batches_to_their_owner):
            promise(loader, there)


@pytest.mark.parametrize("promise", [leaves_nothing_behind, ends_when_closed, names_a_missing_file], ids=title)
def test_what_is_left_and_what_is_said_is_asked_of_a_device_too(promise: LoaderPromise, sums: Fixture) -> None:
    """A loader that cuts batches there has its work done by the device, as in training."""
    promise(GpuChunk(), replace(sums, plan=sums.plan.on_device("simulated"), grace_s=0.4))


@pytest.mark.process
@pytest.mark.parametrize("knobs", ["copy=serial,pin=true", "copy=overlap,pin=false"])
@pytest.mark.parametrize("spec", STARTING)
def test_batches_of_processes_arrive_as_well(spec: str, knobs: str, sums: Fixture, registry: Registry) -> None:
    demand_arrival(turned(registry, spec, knobs), sums, at_the_last)


SCHEDULES = int(os.environ.get("SCHEDULES", "25"))
"""Orders of the device's work that each loader is tried with; a variable of that name asks for more."""
SEEDS = st.integers(0, 1 << 30)


@settings(max_examples=SCHEDULES, deadline=None)
@given(seed=SEEDS, knobs=st.sampled_from(COPIES), held=st.lists(st.integers(0, 4), min_size=1, max_size=8),
       stop=st.integers(1, 12), fails=st.booleans())  # fmt: skip
@pytest.mark.parametrize("spec", IN_PROCESS)
def test_whatever_is_held_closed_or_broken_off(
    spec: str, seed: int, knobs: str, held: list[int], stop: int, fails: bool, sums: Fixture, registry: Registry
) -> None:
    """A consumer that holds some batches, has a step fall behind, and ends early, in any order of the device's work."""
    loader = turned(registry, spec, knobs)
    plan, accelerator = on_simulated_device(sums.plan_for(loader), at_random(seed))
    reference = Reference(sums.recipe, plan)
    late: list[Batch] = []
    kept: list[Batch] = []
    with accelerator.using(None), suppress(ZeroDivisionError), closing(delivered(loader, plan)) as stream:
        for number, batch in enumerate(stream):
            late.append(batch.copied())
            kept = [*kept, batch][-held[number % len(held)] :] if held[number % len(held)] else []
            del batch
            if number == stop and fails:
                raise ZeroDivisionError
            if number == stop:
                break
    with accelerator.using(None):
        while late or kept:
            check_batch(loader, (late or kept).pop(), reference)
    accelerator.synchronize()
    assert accelerator.allocated_bytes() == 0
    assert accelerator.pinned_bytes() == 0


@pytest.mark.parametrize("schedule", [at_the_last, copies_first, at_random(1)], ids=["last", "copies", "random"])
def test_a_loader_that_carries_batches_itself_may_do_so(schedule: Schedule, sums: Fixture) -> None:
    demand_arrival(Carrier(), sums, schedule)


@pytest.mark.parametrize(
    ("liar", "schedule", "why"),
    [
        (ForgetsToWait(), at_the_last, "is wrong"),
        (ForgetsToRecord(), copies_first, "is wrong"),
        (WritesTooEarly(), at_the_last, "is wrong"),
        (PinsMoreAndMore(), at_the_last, "page-locked memory grows from"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_what_is_left_out_shows(liar: Carrier, schedule: Schedule, why: str, sums: Fixture) -> None:
    with pytest.raises(ContractError, match=why):
        demand_arrival(liar, sums, schedule)


def drained(loader: Loader, plan: Plan) -> int:
    """Take all batches and keep none; gives how many there were."""
    count = 0
    with closing(delivered(loader, plan)) as stream:
        for batch in stream:
            count += 1
            del batch
    return count


class TwoChunks(GpuChunk):
    """Keeps the last chunk while the next one is placed."""

    name = "two_chunks"

    def _chunks(self, plan: Plan, source: Source, groups: Iterable[list[Block]]) -> Iterator[Chunk]:
        before: Chunk = []
        for chunk in super()._chunks(plan, source, groups):
            before = list(chunk)
            yield chunk
        del before


def chunked(loader: GpuChunk, fixture: Fixture, room: int) -> int:
    """Stream chunks to a device of that size; gives how many bytes of it were held at most."""
    plan, _ = on_simulated_device(fixture.plan_for(loader), at_the_last)
    accelerator = SimulatedAccelerator(room, 1 << 20)
    plan = replace(plan, placement=replace(plan.placement, accelerator=accelerator))
    with accelerator.using(None):
        drained(loader, plan)
    return accelerator.peak_bytes()[0]


def test_with_one_buffer_a_chunk_is_gone_before_the_next_is_placed(fixtures: dict[str, Fixture]) -> None:
    fixture = fixtures[WORKLOADS[0]]
    chunk = fixture.plan.epoch_bytes // 2
    one = chunked(GpuChunk(chunk=chunk, buffers=1, copy="serial"), fixture, 16 << 20)
    # Room for what lies between smaller pieces, but not for a second chunk.
    with pytest.raises(torch.OutOfMemoryError, match="Tried to allocate"):
        chunked(TwoChunks(chunk=chunk, buffers=1, copy="serial"), fixture, one + chunk // 2)
    chunked(GpuChunk(chunk=chunk, buffers=1, copy="serial"), fixture, one + chunk // 2)


@pytest.mark.parametrize("spec", ["inline", "gpu_chunk[buffers=1]", "gpu_chunk[buffers=2]"])
def test_out_of_memory_at_any_allocation_leaves_nothing(spec: str, sums: Fixture, registry: Registry) -> None:
    loader = registry.loader(spec)
    plan, accelerator = on_simulated_device(sums.plan_for(loader), at_the_last)
    with accelerator.using(None):
        drained(loader, plan)
    count = accelerator.allocations
    assert count > 100
    for number in (*range(6), *range(6, count, count // 6)):
        refusing = SimulatedAccelerator(1 << 20, 1 << 20, refuses=number)
        narrow = replace(plan, placement=replace(plan.placement, accelerator=refusing))
        with refusing.using(None):
            with pytest.raises(torch.OutOfMemoryError, match=r"Tried to allocate [0-9]+ bytes"):
                drained(loader, narrow)
            gc.collect()
            refusing.synchronize()
            assert refusing.allocated_bytes() == 0
            # The next one meets a device as it was.
            with closing(delivered(loader, narrow)) as stream:
                assert next(stream).ids.equal(next(iter(plan)))


class WritesWhenClosed(Inline):
    """Writes to the memory of its batch when it is closed, as threads do that are still cutting the next one."""

    name = "writes_when_closed"

    def stream(self, plan: Plan) -> Stream:
        assert plan.accelerator is not None
        batch = next(super().stream(plan)).pinned(plan.accelerator)
        try:
            yield batch
        finally:
            for tensor in batch.tensors.values():
                tensor.zero_()


def test_a_stream_that_is_closed_early_waits_for_its_copies(sums: Fixture) -> None:
    loader = WritesWhenClosed(copy="serial")
    plan, accelerator = on_simulated_device(sums.plan_for(loader), at_the_last)
    with accelerator.using(None):
        stream = delivered(loader, plan)
        batch = next(stream)
        stream.close()
        check_batch(loader, batch, Reference(sums.recipe, plan))


# --- the device itself


def test_a_copy_reads_what_its_source_holds_when_it_is_done() -> None:
    device = SimulatedAccelerator()
    source = device.page_locked(4)
    source.copy_(torch.tensor([1, 2, 3, 4], dtype=torch.uint8))
    with device.using(None):
        there = device.to_device(source)
        source.fill_(9)
        assert on_host(there).tolist() == [9, 9, 9, 9]


def test_a_copy_from_memory_that_is_not_page_locked_is_made_at_once() -> None:
    device = SimulatedAccelerator()
    source = torch.tensor([1, 2, 3, 4])
    with device.using(None):
        there = device.to_device(source)
        source.fill_(9)
        assert on_host(there).tolist() == [1, 2, 3, 4]


def test_copies_are_counted_by_the_memory_that_they_come_from() -> None:
    device, locked, plain = SimulatedAccelerator(), torch.zeros(64), torch.zeros(8)
    assert device.lock_pages(locked)
    with device.using(None):
        there = device.to_device(device.pin_memory(torch.zeros(4)))
        device.to_device(there)
        device.to_device(locked[8:16])
        assert device.copied_bytes() == (16 + 32, 0)
        device.to_device(plain)
        device.copy(there, device.page_locked(16).view(torch.float32))
        device.copy(there, plain[:4])
        # Torch's own copies are nobody's batches.
        there.add_(torch.tensor(1.0))
        assert device.copied_bytes() == (16 + 32 + 16, 32 + 16)
    device.synchronize()
    device.unlock_pages(locked)


def test_work_of_another_stream_is_seen_only_after_a_wait() -> None:
    device = SimulatedAccelerator()
    side = device.stream()
    with device.using(None):
        with device.using(side):
            there = device.to_device(torch.tensor([1, 2]))
            event = device.event()
            event.record()
        assert not event.query()
        assert on_host(there.view(torch.uint8)).tolist() == [POISON] * 16
        device.current_stream().wait_event(event)
        assert on_host(there).tolist() == [1, 2]
        assert event.query()


def test_dropped_memory_is_poisoned_and_handed_out_again() -> None:
    device = SimulatedAccelerator(memory_bytes=512)
    with device.using(None):
        first = device.to_device(torch.arange(3))
        with pytest.raises(torch.OutOfMemoryError, match="Tried to allocate 24 bytes, 0 of 512 are free"):
            device.to_device(torch.arange(3))
        assert on_host(first).tolist() == [0, 1, 2]
        del first
        assert on_host(device.empty((24,), torch.uint8)).tolist() == [POISON] * 24


def test_operations_mix_no_memories() -> None:
    device = SimulatedAccelerator()
    with device.using(None):
        there = device.to_device(torch.arange(3))
        assert on_host(there * 2 + torch.tensor(1)).tolist() == [1, 3, 5]
        assert on_host(there[there > 0]).tolist() == [1, 2]
        assert there.sum().item() == 3
        with pytest.raises(RuntimeError, match="expected all tensors to be on the same device"):
            there + torch.arange(3)


def test_memory_that_is_still_copied_from_is_not_unlocked() -> None:
    device = SimulatedAccelerator()
    memory = torch.zeros(8, dtype=torch.uint8)
    device.lock_pages(memory)
    with device.using(None):
        there = device.to_device(memory)
        with pytest.raises(RuntimeError, match="unlocked while it was still copied from"):
            device.unlock_pages(memory)
        assert on_host(there).tolist() == [0] * 8


def test_what_is_captured_is_done_at_each_replay_on_the_same_addresses() -> None:
    device = SimulatedAccelerator()
    with device.using(None):
        source, total = device.to_device(torch.tensor([1, 2])), device.to_device(torch.tensor([0, 0]))
        with device.capture() as graph:
            doubled = source * 2
            total.add_(doubled)
        assert on_host(total).tolist() == [0, 0]
        graph.replay()
        graph.replay()
        assert on_host(total).tolist() == [4, 8]
        source.copy_(device.to_device(torch.tensor([10, 20])))
        graph.replay()
        assert on_host(doubled).tolist() == [20, 40]
        # Another tensor of that name is another address.
        source = device.to_device(torch.tensor([5, 5]))
        graph.replay()
        assert on_host(doubled).tolist() != [10, 10]


def test_a_replay_reads_poison_where_what_it_was_captured_with_is_gone() -> None:
    device = SimulatedAccelerator()
    with device.using(None):
        source = device.to_device(torch.zeros(8, dtype=torch.uint8))
        with device.capture() as graph:
            copied = source.clone()
        graph.replay()
        assert on_host(copied).tolist() == [0] * 8
        del source
        device.allocated_bytes()
        graph.replay()
        assert on_host(copied).tolist() == [POISON] * 8


def test_memory_of_a_graph_is_given_to_nobody_else_until_the_graph_is_gone() -> None:
    device = SimulatedAccelerator(memory_bytes=2048)
    with device.using(None):
        source = device.to_device(torch.zeros(512, dtype=torch.uint8))
        with device.capture() as graph:
            # Two of its own: what is dropped inside is handed out again inside.
            answer = (source + 1) + 1 + 1
        graph.replay()
        assert on_host(answer).tolist() == [3] * 512
        other = device.to_device(torch.ones(512, dtype=torch.uint8))
        with pytest.raises(torch.OutOfMemoryError):
            device.empty((512,), torch.uint8)
        graph.replay()
        assert on_host(answer).tolist() == [3] * 512
        assert on_host(other).tolist() == [1] * 512
        del graph, answer
        device.empty((512,), torch.uint8)


def test_what_no_graph_can_hold_is_refused_while_one_is_captured() -> None:
    device = SimulatedAccelerator()
    with device.using(None):
        there, pinned = device.to_device(torch.arange(3)), device.page_locked(8)
        event = device.event()
        event.record()
        waits: tuple[Callable[[], object], ...] = (
            lambda: there.sum().item(),
            lambda: there[there > 0],
            lambda: there.cpu(),
            device.synchronize,
            lambda: device.current_stream().synchronize(),
            lambda: device.current_stream().wait_event(event),
        )
        for wait in waits:
            with pytest.raises(RuntimeError, match="not permitted while a graph is captured"), device.capture():
                wait()
        copies: tuple[Callable[[], object], ...] = (
            lambda: device.to_device(torch.arange(3)),
            lambda: there.copy_(torch.arange(3)),
            lambda: torch.tensor([1], device=there.device),
        )
        for copy in copies:
            with pytest.raises(RuntimeError, match="not page-locked while a graph is captured"), device.capture():
                copy()
        with device.capture() as graph:
            copied = device.to_device(pinned)
            steps = torch.arange(3, device=there.device) + there
        pinned.fill_(7)
        graph.replay()
        assert on_host(copied).tolist() == [7] * 8
        assert on_host(steps).tolist() == [0, 2, 4]


def test_an_optimizer_that_counts_on_the_host_alone_is_not_captured() -> None:
    weight = torch.nn.Parameter(torch.ones(1))
    with pytest.raises(UnavailableError, match="NAdam counts its steps on the host"):
        SimulatedAccelerator().make_capturable(torch.optim.NAdam([weight]))


def test_a_program_finds_the_device_by_what_its_tensors_say() -> None:
    device = SimulatedAccelerator()
    with device.using(None):
        there = device.to_device(torch.arange(3))
        assert there.device != torch.arange(3).device
        made = torch.arange(3, device=there.device)
        moved = torch.ones(3).to(there.device, torch.int64)
        assert device.holds(made)
        assert device.holds(moved)
        assert device.holds(there.new_tensor([1, 2, 3]))
        assert there.to(there.device) is there
        assert (there + made + moved).tolist() == [1, 3, 5]
        for here in (there.cpu(), there.to("cpu"), there.to(device="cpu", dtype=torch.int32)):
            assert not device.holds(here)
            assert here.tolist() == [0, 1, 2]
        assert not device.holds(torch.zeros(3, device="cpu"))
        # One without elements is nowhere, and may be used with either.
        nothing = torch.empty(0, dtype=torch.int64, device=there.device)
        assert torch.cat([there, nothing]).tolist() == [0, 1, 2]
        with pytest.raises(TypeError, match=r"copy it to the host with \.cpu"):
            there.numpy()


def test_a_model_trains_there_as_on_the_host() -> None:
    def trained(device: SimulatedAccelerator | None) -> list[float]:
        torch.manual_seed(0)
        model: torch.nn.Module = torch.nn.Sequential(
            torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 1)
        )
        x, y = torch.rand(16, 4), torch.rand(16, 1)
        if device is not None:
            model, x, y = device.place(model), device.to_device(x), device.to_device(y)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
        losses = []
        for _ in range(4):
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = (model(x) - y).square().mean()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(loss.detach())
        return torch.stack(losses).tolist()

    device = SimulatedAccelerator(schedule=at_the_last)
    with device.using(None):
        there = trained(device)
    assert there == pytest.approx(trained(None), rel=1e-3)
    assert there[-1] < there[0]


def losses(loader: Loader, fixture: Fixture, plan: Plan) -> list[float]:
    """Train from a fixed seed on all batches that a loader brings; looked at when all is given to the device."""
    torch.manual_seed(0)
    there = replace(fixture, plan=plan)
    late = []
    with on_device(plan), closing(delivered(loader, plan)) as stream:
        model = there.model()
        workload = fixture.recipe.workload
        update = Fp32().bind(model, workload.loss, workload.trainer(model))
        for batch in stream:
            late.append(update(batch.without_views()))
            del batch
        return torch.stack(late).tolist()


@pytest.mark.parametrize("spec", IN_PROCESS)
def test_a_model_that_trains_there_sees_every_batch(spec: str, sums: Fixture, registry: Registry) -> None:
    loader = registry.loader(spec)
    wanted = losses(loader, sums, sums.plan_for(loader))
    assert len(wanted) == len(sums.plan)
    for schedule in (at_the_last, copies_first, at_random(3)):
        plan, _ = on_simulated_device(sums.plan_for(loader), schedule)
        assert losses(loader, sums, plan) == pytest.approx(wanted, rel=1e-3)

"""What single loaders do beyond the contract that all of them keep."""

from __future__ import annotations

import gc
import os
import resource
import signal
import weakref
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from multiprocessing import active_children
from multiprocessing.context import SpawnProcess
from pathlib import Path

import pytest
import torch

from feedrate.builtin.loaders import _worker_loader, gpu_chunk
from feedrate.builtin.loaders.gpu_chunk import GpuChunk
from feedrate.builtin.loaders.inline import Inline
from feedrate.builtin.loaders.ring_workers import RingWorkers
from feedrate.builtin.loaders.threads import Threads
from feedrate.builtin.loaders.workers import Workers
from feedrate.contract import Fixture
from feedrate.errors import ContractError, HangError, UnavailableError, UsageError, WorkerError
from feedrate.loading.batch import Columns
from feedrate.loading.block import Block
from feedrate.loading.buffers import Buffers, Layout
from feedrate.loading.loader_report import LoaderReport
from feedrate.loading.plan import Placement, Plan
from feedrate.loading.source import Source
from feedrate.plugin.loader import Loader
from feedrate.system.synthetic_load import sleep_s


@dataclass(frozen=True)
class Watched(Plan):
    """A plan whose source remembers which blocks' columns live, and how many did when the next was read."""

    def open(self) -> Watcher:  # type: ignore[override]
        return Watcher(super().open())


class Watcher:
    """Counts living columns at each read."""

    seen: list[int] = []

    def __init__(self, opened: object) -> None:
        self._opened = opened
        self._alive: list[weakref.ref[Columns]] = []

    def __enter__(self) -> Watcher:
        self._source: Source = self._opened.__enter__()  # type: ignore[attr-defined]
        return self

    def __exit__(self, *error: object) -> None:
        self._opened.__exit__(*error)  # type: ignore[attr-defined]

    def read(self, block: Block) -> Columns:
        Watcher.seen.append(sum(ref() is not None for ref in self._alive))
        columns = self._source.read(block)
        self._alive.append(weakref.ref(columns))
        return columns


def watched(plan: Plan) -> Watched:
    Watcher.seen = []
    return Watched(**{name: getattr(plan, name) for name in plan.__dataclass_fields__})


def test_with_one_buffer_the_old_chunk_is_gone_before_the_next_is_read(sums_fixture: Fixture) -> None:
    plan = watched(sums_fixture.plan)
    with closing(GpuChunk(chunk=1, buffers=1).stream(plan)) as stream:
        for _ in stream:
            pass
    assert Watcher.seen == [0] * 8


def test_with_two_buffers_at_most_the_chunk_in_use_lives_while_the_next_is_read(sums_fixture: Fixture) -> None:
    plan = watched(sums_fixture.plan)
    with closing(GpuChunk(chunk=1, buffers=2).stream(plan)) as stream:
        for _ in stream:
            pass
    assert max(Watcher.seen) <= 2


def test_an_automatic_chunk_leaves_room_for_the_step_and_divides_by_the_buffers(sums_fixture: Fixture) -> None:
    plan = replace(sums_fixture.plan, placement=Placement(device_budget_bytes=800))
    assert GpuChunk(buffers=1).chunk_bytes(plan) == 600
    assert GpuChunk(buffers=2).chunk_bytes(plan) == 300
    assert GpuChunk(chunk=123).chunk_bytes(plan) == 123


def test_chunks_hold_whole_blocks_in_the_planned_order(sums_fixture: Fixture) -> None:
    plan = sums_fixture.plan
    groups = list(gpu_chunk._grouped(plan, 2 * plan.block_bytes(plan.stored_blocks[0])))
    assert [len(group) for group in groups] == [2, 2, 2, 2]
    assert [block for group in groups for block in group] == list(plan.blocks())


@pytest.mark.process
@pytest.mark.parametrize("loader", [RingWorkers(count=2, slots=4), Threads()])
def test_a_consumer_that_holds_every_batch_gets_every_batch(
    loader: RingWorkers | Threads, sums_fixture: Fixture
) -> None:
    held = list(loader.stream(sums_fixture.plan))
    assert len(held) == len(sums_fixture.plan)
    assert sum(int(batch.ids.sum()) for batch in held) == 2 * sum(range(203))


@pytest.mark.process
def test_batches_of_a_ring_outlive_its_workers(sums_fixture: Fixture) -> None:
    with closing(RingWorkers(count=1).stream(sums_fixture.plan)) as stream:
        batch = next(stream)
    planned = next(iter(sums_fixture.plan))
    assert batch.ids.tolist() == planned.tolist()


@pytest.mark.process
@pytest.mark.usefixtures("spawning")
def test_a_killed_ring_worker_is_an_error_that_names_it(sums_fixture: Fixture) -> None:
    plan = sums_fixture.plan.for_epochs(10_000)
    with closing(RingWorkers(count=2).stream(plan)) as stream:
        next(stream)
        victim = children()[0]
        os.kill(victim, signal.SIGKILL)
        with pytest.raises(ContractError, match=f"worker {victim} was ended by SIGKILL before its work was done"):
            for _ in stream:
                pass


@pytest.mark.process
@pytest.mark.timeout(60)
@pytest.mark.usefixtures("spawning")
@pytest.mark.parametrize("number", [signal.SIGABRT, signal.SIGKILL])
def test_a_dead_worker_of_dataloader_is_named_with_its_signal(number: signal.Signals, sums_fixture: Fixture) -> None:
    plan = sums_fixture.plan.for_epochs(10_000)
    with closing(Workers(count=2).stream(plan)) as stream:
        next(stream)
        victim = min(child.pid or 0 for child in active_children())
        os.kill(victim, number)
        with pytest.raises(
            (RuntimeError, WorkerError), match=rf"(worker {victim} was ended by {number.name} before|killed by signal)"
        ):
            for _ in stream:
                pass


def children() -> list[int]:
    """Processes that multiprocessing spawned here, oldest first."""
    found = Path("/proc/self/task", str(os.getpid()), "children").read_text().split()
    return [int(pid) for pid in found if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


@pytest.mark.process
@pytest.mark.parametrize("loader", [Workers(count=2, deal="batches"), RingWorkers(count=2, deal="batches")])
def test_dealing_batches_keeps_the_planned_order(loader: Workers | RingWorkers, sums_fixture: Fixture) -> None:
    assert loader.serves == "order"
    served = [batch.ids.tolist() for batch in loader.stream(sums_fixture.plan)]
    assert served == [ids.tolist() for ids in sums_fixture.plan]


@pytest.mark.process
@pytest.mark.parametrize("persistent", [True, False])
def test_workers_stay_for_the_next_epoch_or_make_room_for_others(persistent: bool, sums_fixture: Fixture) -> None:
    plan = replace(sums_fixture.plan, report=LoaderReport())
    workers: list[set[int | None]] = []
    rows: list[list[int]] = []
    with closing(Workers(count=2, persistent=persistent).stream(plan)) as stream:
        for number in range(2):
            first = next(stream)
            workers.append({child.pid for child in active_children()})
            epoch = [first, *islice(stream, plan.epoch_batches - 1 if not number else 1)]
            rows.append(torch.cat([batch.ids for batch in epoch]).tolist())

    assert [len(pids) for pids in workers] == [2, 2]
    assert (workers[0] == workers[1]) is persistent
    assert persistent or not workers[0] & workers[1]
    # Each epoch has its own order, whoever serves it.
    assert sorted(rows[0]) == list(range(len(rows[0])))
    assert rows[1] != rows[0][: len(rows[1])]
    assert {worker["pid"] for worker in plan.report.worker_settings} == workers[1]
    assert plan.report.workers_alive == 2


def test_no_more_workers_start_than_there_are_blocks(sums_fixture: Fixture) -> None:
    assert Workers(count=8).started_count(sums_fixture.plan) == 4
    assert Workers(count=0).started_count(sums_fixture.plan) == 0
    # Sharing out batches employs more of them than there are blocks.
    batches = sums_fixture.plan.epoch_batches
    assert batches > 4
    assert Workers(count=256, deal="batches").started_count(sums_fixture.plan) == batches


@pytest.mark.parametrize("loader", [Workers(count=2, prefetch=2), RingWorkers(count=2, slots=2)], ids=str)
def test_a_small_dev_shm_is_one_line_before_any_worker_starts(
    loader: Workers | RingWorkers, sums_fixture: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = sums_fixture.plan
    wanted = 4 * Layout.of(plan).nbytes
    monkeypatch.setattr(_worker_loader, "shm_free_bytes", lambda: wanted // 2)
    with pytest.raises(
        UnavailableError, match=r"4 batches ahead are .*, and .* of /dev/shm are free: have fewer ahead"
    ):
        next(loader.stream(plan))
    assert active_children() == []
    for room in (wanted, None):
        monkeypatch.setattr(_worker_loader, "shm_free_bytes", lambda room=room: room)
        loader.demand_room(plan)


def test_few_open_files_are_one_line_before_any_worker_starts(
    sums_fixture: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = sums_fixture.plan
    monkeypatch.setattr(resource, "getrlimit", lambda _: (70, 4_096))
    with pytest.raises(UnavailableError, match=r"the tensors of 4 batches ahead are .* and 70 may be: have"):
        next(Workers(count=2, prefetch=2).stream(plan))
    assert active_children() == []
    # One segment for all of them.
    RingWorkers(count=2, slots=2).demand_room(plan)


def test_the_safe_mode_leaves_no_loader_with_processes() -> None:
    assert Workers(count=4).without_workers() == Workers(count=0)
    assert RingWorkers(count=4).without_workers() == RingWorkers(count=0)
    assert Threads(count=4).without_workers() == Threads(count=4)


def test_a_knob_with_an_impossible_value_is_refused() -> None:
    with pytest.raises(UsageError, match="deal=cards is not one of blocks, batches"):
        Workers().with_knobs({"deal": "cards"})


def test_a_buffer_returns_when_the_last_view_of_it_is_gone(sums_fixture: Fixture) -> None:
    buffers = Buffers(Layout.of(sums_fixture.plan), 1, None)
    first = buffers.lend()
    place, view = first["x"].data_ptr(), first["x"][1:3]
    del first
    assert buffers.lend()["x"].data_ptr() != place
    del view
    gc.collect()
    assert place in {tensors["x"].data_ptr() for tensors in islice(lent(buffers), 2)}


def lent(buffers: Buffers) -> Iterator[dict[str, torch.Tensor]]:
    """Lend and keep."""
    kept = []
    while True:
        kept.append(buffers.lend())
        yield kept[-1]


@pytest.mark.usefixtures("spawning")
@pytest.mark.parametrize("persistent", [True, False])
def test_that_no_worker_can_be_started_is_told_as_it_is(
    persistent: bool, sums_fixture: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(process: SpawnProcess) -> None:
        raise OSError(f"no room for {process.name}")

    monkeypatch.setattr(SpawnProcess, "start", refused)
    with pytest.raises(OSError, match="no room for SpawnProcess"):
        list(Workers(count=1, persistent=persistent).stream(sums_fixture.plan))


@pytest.mark.process
@pytest.mark.timeout(60)
@pytest.mark.usefixtures("spawning")
@pytest.mark.parametrize("persistent", [True, False])
def test_a_worker_that_is_killed_as_it_starts_is_told_at_once(
    persistent: bool, sums_fixture: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = SpawnProcess.start

    def killed(process: SpawnProcess) -> None:
        start(process)
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()

    monkeypatch.setattr(SpawnProcess, "start", killed)
    with pytest.raises(ContractError, match="was ended by SIGKILL as it was started"):
        list(Workers(count=1, persistent=persistent).stream(sums_fixture.plan))


class Dozing:
    """A source that gives one block, and nothing more."""

    def __init__(self, plan: Plan) -> None:
        self._source, self._times = plan.plain_source(), 0

    def read(self, block: Block) -> Columns:
        self._times += 1
        if self._times > 1:
            sleep_s(600.0)
        return self._source.read(block)


@contextmanager
def dozing(plan: Plan) -> Iterator[Source]:
    yield Dozing(plan)


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.usefixtures("spawning")
def test_workers_from_which_nothing_comes_are_a_hang_and_say_where_they_stand(
    sums_fixture: Fixture, tmp_path: Path
) -> None:
    plan = replace(sums_fixture.plan, placement=Placement(logs=str(tmp_path), source_factory=dozing))

    # Long enough for a worker to begin on a machine with others on it.
    with pytest.raises(HangError, match=r"no batch within 12 s; the log holds the stacks of its workers"):
        list(Workers(count=1, timeout_s=12).stream(plan))

    assert "sleep_s" in (tmp_path / "worker-0.txt").read_text()


@pytest.mark.process
@pytest.mark.usefixtures("spawning")
@pytest.mark.parametrize("loader", [Inline(), Threads(), Workers(count=1), RingWorkers(count=1)], ids=str)
def test_a_plan_of_a_later_epoch_alone_is_served_as_planned(loader: Loader, sums_fixture: Fixture) -> None:
    plan = replace(sums_fixture.plan.epoch(3), report=LoaderReport())

    served = [batch.ids.tolist() for batch in loader.stream(plan)]

    assert served == [ids.tolist() for ids in sums_fixture.plan.epoch_ids(3)]

"""A workload over a map-style data set of somebody's own is fetched, raced and checked like any other."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from points import COUNT, Lists, Points, PointSet

from feedrate.builtin.loaders.gpu_chunk import GpuChunk
from feedrate.builtin.loaders.inline import Inline
from feedrate.builtin.loaders.resident import Resident
from feedrate.builtin.loaders.ring_workers import RingWorkers
from feedrate.builtin.loaders.threads import Threads
from feedrate.builtin.loaders.workers import Workers
from feedrate.calibration.strategies.wrong_rows import Unfaithful
from feedrate.contract import LOADER_PROMISES, Fixture, check, unwritten, written
from feedrate.contract.contents import serves_the_generated_values
from feedrate.contract.repeatability import streams_in_a_spawned_process
from feedrate.contract.rows import keeps_the_planned_order, serves_each_row_once
from feedrate.errors import ContractError, DataError, UnavailableError, UsageError
from feedrate.loading.batch import Batch
from feedrate.loading.plan import Plan
from feedrate.plugin.cell import Cell
from feedrate.plugin.dataset_workload import DatasetWorkload
from feedrate.plugin.loader import Loader
from feedrate.plugin.registry import Registry
from tests.support import ROOT, lying_datasets, lying_rows
from tests.support.commands import feedrate

POINTS = ROOT / "tests/support/plugins/points.py"
IN_PROCESS = (Inline(), Threads(), Threads(count=4, blocks=1), GpuChunk(), Resident())
WITH_WORKERS = (Workers(count=1), RingWorkers(count=2))


def broken(strategy: Loader | DatasetWorkload, fixture: Fixture) -> dict[str, str]:
    return {name: str(error) for name, error in check(strategy, fixture) if error is not None}


def plan_of(workload: DatasetWorkload, epochs: int = 1) -> Plan:
    return unwritten(workload, epochs=epochs).plan


@pytest.fixture
def no_spawning(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fresh interpreter takes seconds; what it says is asked once."""
    here = tuple(promise for promise in LOADER_PROMISES if promise is not streams_in_a_spawned_process)
    monkeypatch.setattr("feedrate.contract.LOADER_PROMISES", here)


@pytest.mark.slow
@pytest.mark.usefixtures("no_spawning")
@pytest.mark.parametrize("loader", IN_PROCESS, ids=str)
@pytest.mark.parametrize("workload", [Points(), Lists()], ids=str)
def test_a_loader_keeps_its_promises_on_a_data_set(loader: Loader, workload: DatasetWorkload) -> None:
    assert broken(loader, unwritten(workload)) == {}


@pytest.mark.process
@pytest.mark.usefixtures("spawning")
def test_a_data_set_gives_the_same_in_a_spawned_process() -> None:
    streams_in_a_spawned_process(Inline(), unwritten(Points()))


@pytest.mark.parametrize("loader", WITH_WORKERS, ids=str)
@pytest.mark.process
def test_a_loader_with_workers_serves_the_samples_of_a_data_set(loader: Loader) -> None:
    fixture = unwritten(Points())
    for promise in (serves_each_row_once, keeps_the_planned_order, serves_the_generated_values):
        promise(loader, fixture)


@pytest.mark.process
def test_queues_of_workers_carry_batches_of_any_form_and_the_ring_says_which_it_does_not() -> None:
    fixture = unwritten(Lists(), epochs=1)
    serves_the_generated_values(Workers(count=1), fixture)
    with pytest.raises(
        UnavailableError, match=r"needs batches of one form: '0' is float32 \(16, \d+\) where the first"
    ):
        serves_the_generated_values(RingWorkers(count=1), fixture)


@pytest.mark.parametrize("workload", [Points(), Lists()], ids=str)
def test_a_workload_over_a_data_set_keeps_its_promises(workload: DatasetWorkload) -> None:
    assert broken(workload, unwritten(workload)) == {}


def test_a_sample_that_cannot_be_fetched_is_named_with_what_the_data_set_says() -> None:
    workload = lying_datasets.CannotFetchASample()
    said = r"cannot_fetch_a_sample/own: sample 117 cannot be fetched \(OSError: 117\.npy: no such file\)"

    assert "cuts every sample" in broken(workload, unwritten(workload))
    with pytest.raises(DataError, match=said):
        list(Inline().stream(plan_of(workload)))


@pytest.mark.process
@pytest.mark.parametrize("loader", [Workers(count=1), RingWorkers(count=1)], ids=str)
def test_what_a_data_set_says_in_a_worker_arrives_in_one_line(loader: Loader) -> None:
    with pytest.raises(DataError, match=r"^cannot_fetch_a_sample/own: sample 117 cannot be fetched \(OSError: 117"):
        list(loader.stream(plan_of(lying_datasets.CannotFetchASample())))


@pytest.mark.slow
@pytest.mark.usefixtures("no_spawning")
@pytest.mark.parametrize(
    ("liar", "promise"),
    [
        (Unfaithful(fault="doubled"), "serves each row once"),
        (Unfaithful(fault="dropped"), "serves each row once"),
        (Unfaithful(fault="reordered"), "keeps the planned order"),
        (Unfaithful(fault="corrupted"), "serves the generated values"),
        (Unfaithful(fault="stale"), "leaves batches to their owner"),
        (lying_datasets.ForgetsTheEpoch(), "serves the generated values"),
    ],
    ids=str,
)
def test_a_loader_that_lies_about_samples_is_caught(liar: Loader, promise: str) -> None:
    assert promise in broken(liar, replace(unwritten(Points()), grace_s=0.4))


def test_batches_are_the_collated_lists_of_indices_and_each_epoch_has_its_own_noise() -> None:
    first, second = (list(Inline().stream(plan_of(Points(), 2)))[start : start + 13] for start in (0, 13))
    batch, dataset = first[0], PointSet()

    assert [len(batch) for batch in first] == [16] * 12 + [11]
    assert sorted(torch.cat([batch.ids for batch in first]).tolist()) == list(range(COUNT))
    assert {name: (tensor.dtype, tensor.shape[1:]) for name, tensor in batch.tensors.items()} == {
        "x": (torch.uint8, (6,)),
        "y": (torch.float32, ()),
        "more.0": (torch.bool, ()),
        "more.1.noise": (torch.float64, ()),
    }
    assert batch.tensors["x"].tolist() == [dataset[int(index)]["x"].tolist() for index in batch.ids]
    noise = [
        dict(zip(torch.cat([b.ids for b in epoch]).tolist(), drawn(epoch), strict=True)) for epoch in (first, second)
    ]
    assert noise[0] == {index: dataset[index]["more"][1]["noise"] for index in range(COUNT)}
    assert all(noise[1][index] != noise[0][index] for index in range(COUNT))


def drawn(epoch: Sequence[Batch]) -> list[float]:
    """The noise of each sample of an epoch, in the order in which they came."""
    return [float(noise) for batch in epoch for noise in batch.tensors["more.1.noise"]]


def test_a_data_set_is_opened_once_in_a_process_and_does_not_travel() -> None:
    opened = []

    class Opening(Points):
        name = "opening"

        def dataset(self, size: str, folder: Path) -> Any:
            opened.append(folder)
            return PointSet()

    workload = Opening()
    for _ in range(2):
        list(Inline().stream(workload.plan(workload.at("own").open(Path("here")), "own")))
    assert opened == [Path("here")]
    assert len(pickle.dumps(plan_of(Points()).spec)) < 2_000


@dataclass(frozen=True)
class Odd(Points):
    """A data set, a batch or lists of indices that are not as they have to be."""

    name = "odd"
    what: str = "words"

    def dataset(self, size: str, folder: Path) -> Any:
        if self.what == "broken":
            raise RuntimeError("no such\nbucket")
        return {"iterable": iter(()), "empty": []}.get(self.what, PointSet())

    def collate(self, samples: list[Any]) -> Any:
        return {"words": {"x": torch.zeros(2), "path": ["a", "b"]}, "row_id": {"row_id": torch.zeros(2)}}[self.what]

    def index_lists(self, size: str, count: int) -> Iterable[Sequence[int]]:
        return [[0, 1], [count]] if self.what == "beyond" else super().index_lists(size, count)


@pytest.mark.parametrize(
    ("what", "kind", "text"),
    [
        ("words", UnavailableError, r"needs batches of tensors: 'path.0' is of type str; have `collate` leave it out"),
        ("row_id", UnavailableError, "needs the name 'row_id' for itself"),
        (
            "iterable",
            UnavailableError,
            r"/own: needs a map-style data set: tuple_iterator has no",
        ),
        ("empty", DataError, "/own: its data set is empty"),
        ("broken", DataError, r"/own: its data set cannot be opened \(RuntimeError: no such bucket\)"),
        ("beyond", DataError, "/own: batch 1 of `index_lists` is empty, or beyond its 203 samples"),
    ],
)
def test_what_cannot_be_served_is_said_in_one_line(what: str, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text) as raised:
        plan_of(Odd(what=what))
    assert "\n" not in str(raised.value)


def test_only_the_form_of_random_samples_is_compared() -> None:
    @dataclass(frozen=True)
    class Random(lying_datasets.DrawsItsOwnNumbers):
        name = "random"
        is_random = True

    fixture = unwritten(Random())
    assert "gives the same samples again" not in broken(Random(), fixture)
    serves_the_generated_values(Inline(), fixture)
    with pytest.raises(ContractError, match="dtype and number of axes"):
        serves_the_generated_values(lying_rows.AddsAnAxis(), fixture)


def test_rows_and_blocks_are_asked_of_the_data_set_alone() -> None:
    with pytest.raises(UnavailableError, match="gives samples, and no rows of columns"):
        Points().rows("own", 0, 0, 1)
    with pytest.raises(UnavailableError, match="make a plan"):
        Points().blocks("own")
    with pytest.raises(UsageError, match="no size 'tiny'; there are: own"):
        Points().at("tiny")


def test_a_cell_of_a_workload_of_one_size_is_of_that() -> None:
    registry = Registry.load([POINTS])

    assert str(Cell.parse("points/small/inline/fp32/cpu", registry)) == "points/own/inline/fp32/cpu"


def test_nothing_is_written_for_a_data_set_of_ones_own(tmp_path: Path) -> None:
    assert len(written(Points(), tmp_path).plan) == 2 * 13
    assert list(tmp_path.iterdir()) == []


@pytest.mark.process
def test_a_data_set_of_ones_own_is_diagnosed(tmp_path: Path) -> None:
    quick = ("--plugin", str(POINTS), "--device", "cpu", "--seconds", "0.05", "--quiet", "--json")
    done = feedrate(tmp_path, "why", "points/own/inline/none", *quick, "--replicates", "1")

    assert done.returncode == 0, done.stderr
    (diagnosis,) = json.loads(done.stdout)
    assert diagnosis["cell"] == "points/own/inline/none/cpu"
    assert not (tmp_path / "data").exists()

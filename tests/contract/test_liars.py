"""Every promise of the contract kit catches the strategy that breaks it, and no other promise does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sums import Sums

from feedrate.builtin.loaders.inline import Inline
from feedrate.builtin.loaders.resident import Resident
from feedrate.builtin.steps.none import NoTraining
from feedrate.calibration.strategies.broken_training import Faulty
from feedrate.calibration.strategies.wrong_rows import Unfaithful
from feedrate.contract import LOADER_PROMISES, STEP_PROMISES, WORKLOAD_PROMISES, Fixture, check, title, unwritten
from feedrate.contract.cleanup import leaves_nothing_behind
from feedrate.contract.corrupt_files import names_a_corrupt_file, names_a_missing_file, names_a_truncated_file
from feedrate.contract.knob_ranges import declares_the_range_of_each_number
from feedrate.contract.repeatability import streams_in_a_spawned_process
from feedrate.contract.rows import (
    cuts_batches_of_its_own,
    cuts_the_planned_batches,
    keeps_the_planned_order,
    serves_each_row_once,
)
from feedrate.contract.work_ahead import reads_again_in_each_epoch, says_how_many_batches_are_ready
from feedrate.errors import ContractError
from feedrate.loading.plan import Plan
from feedrate.plugin.loader import Loader, Stream
from feedrate.plugin.step import Step
from feedrate.plugin.strategy import Strategy
from feedrate.plugin.workload import Workload
from tests.support import (
    lying_about_files,
    lying_ahead,
    lying_datasets,
    lying_knobs,
    lying_leftovers,
    lying_rows,
    lying_steps,
    lying_transfers,
    lying_workloads,
    shuffling,
)
from tests.support.liars import left

SPAWN = title(streams_in_a_spawned_process)
RANGES = title(declares_the_range_of_each_number)

LYING_LOADERS: tuple[tuple[Loader, set[str], str], ...] = (
    (Unfaithful(fault="doubled"), {"serves each row once"}, "epoch 0 serves row"),
    (Unfaithful(fault="dropped"), {"serves each row once"}, "0 times instead of once (1 such rows of 203)"),
    (Unfaithful(fault="reordered"), {"keeps the planned order"}, "is planned (14 such places of 203)"),
    (Unfaithful(fault="swapped"), {"keeps the planned order"}, "epoch 0 serves row"),
    (lying_rows.SaysItShuffles(), {"keeps the planned order"}, "epoch 0 serves row"),
    (
        Unfaithful(fault="short"),
        # Of a plan without an end it serves one epoch.
        {"serves each row once", "cuts the planned batches", "serves an endless plan"},
        "0 times instead of once",
    ),
    (Unfaithful(fault="split"), {"cuts the planned batches"}, "serves 31 batches instead of 30"),
    (shuffling.DrawsWithReplacement(), {"serves each row once"}, "2 times instead of once (2 such rows of 203)"),
    (
        shuffling.MakesThemTooLarge(),
        {"cuts batches of its own"},
        "batch 0 has 17 rows, and the plan's largest has 16",
    ),
    (lying_rows.CutsElsewhere(), {"cuts the planned batches"}, "where none is planned to (1 such batches of 30)"),
    (Unfaithful(fault="corrupted"), {"serves the generated values"}, "is wrong (1 such rows of"),
    (lying_rows.FillsHoles(), {"serves the generated values"}, "'unsure' of row"),
    (lying_rows.WidensTooFar(), {"serves the generated values"}, "'y' is torch.float64 (16,) instead of torch.float32"),
    (lying_rows.AddsAnAxis(), {"serves the generated values"}, "'y' is torch.float32 (16, 1) instead of"),
    (
        lying_rows.ForgetsATensor(),
        {"serves the generated values"},
        "has the tensors ['x'] instead of",
    ),
    (Unfaithful(fault="stale"), {"leaves batches to their owner"}, "batch 0 was written again while it was held"),
    (Unfaithful(fault="stale_ids"), {"leaves batches to their owner"}, "ids of batch 0 were written again"),
    (lying_rows.ListsTheEpochs(), {"serves an endless plan"}, "asks for 1,000 epochs ahead of its batches"),
    (
        lying_rows.TakesNoneForOne(),
        {"serves an endless plan"},
        "serves 15 batches of a plan of endless epochs, and ends",
    ),
    (lying_rows.TiresOfIt(), {"streams again"}, "a second stream yields another batch 0 (30 such batches of 30)"),
    (lying_rows.CannotTravel(), {SPAWN}, "cannot be pickled (TypeError: I hold a lock)"),
    (lying_rows.LiesAbroad(), {SPAWN}, "a spawned process yields another batch 0"),
    (
        lying_ahead.SaysTooFewAhead(),
        {"says how many batches are ready"},
        "has 5 batches ready that nobody asked for, and its `prefetch_batches` says 2",
    ),
    (
        lying_ahead.KeepsTheData(),
        {"reads again in each epoch"},
        "reads each of 4 blocks once for 2 epochs: it keeps all decoded data in memory",
    ),
    (
        lying_ahead.StartsAProcessAllTheSame(),
        {"serves the same without workers"},
        "`without_workers` gives a loader that starts process 'sleep 600'",
    ),
    (
        lying_ahead.ServesOthersAlone(),
        {"serves the same without workers"},
        "the loader without workers yields another batch 0 (30 such batches of 30)",
    ),
    (lying_rows.SaysItSwaps(), {"swaps its source"}, "it says that it read them from 'memory'"),
    (lying_rows.NeverSwaps(), {"swaps its source"}, "was told to read from 'memory' and served no epoch of it in 6"),
    (lying_rows.SwapsInSilence(), {"swaps its source"}, "has not said of which block it is"),
    (lying_transfers.ForgetsToWait(), {"serves a device that is late"}, "as it arrives on a device that is late"),
    (lying_transfers.ForgetsToRecord(), {"serves a device that is late"}, "as it arrives on a device that is late"),
    (lying_transfers.WritesTooEarly(), {"serves a device that is late"}, "as it arrives on a device that is late"),
    (lying_transfers.PinsMoreAndMore(), {"serves a device that is late"}, "page-locked memory grows from"),
    (lying_leftovers.LeavesAThread(), {"leaves nothing behind"}, "leaves thread 'Thread-"),
    (lying_leftovers.LeavesAProcess(), {"leaves nothing behind"}, "leaves process "),
    (lying_leftovers.LeavesADataFileOpen(), {"leaves nothing behind"}, "00000.arrow open behind after the last batch"),
    (lying_leftovers.LeavesAnotherFileOpen(), {"leaves nothing behind"}, "lying_leftovers.py open behind"),
    (lying_leftovers.LeavesSharedMemory(), {"leaves nothing behind"}, "leaves /dev/shm/psm_"),
    # A generator hears of both in the same way.
    (
        lying_leftovers.GoesOnWhenClosed(),
        {"ends when closed", "ends when the consumer fails"},
        "behind when closed after one batch",
    ),
    (lying_leftovers.HoldsOnToItself(), {"ends when the consumer fails"}, "behind when the consumer raises"),
    (lying_about_files.EndsEarlyWhenMissing(), {"names a missing file"}, "goes on as if nothing had happened"),
    (lying_about_files.SkipsTruncated(), {"names a truncated file"}, "although 0000"),
    (lying_about_files.BlamesNobodyForCorrupt(), {"names a corrupt file"}, "but says 'some file is corrupt'"),
    (
        lying_about_files.BlamesItselfForCorrupt(),
        {"names a corrupt file"},
        "raises RuntimeError instead of DataError",
    ),
    (
        lying_knobs.HasNoGreatest(),
        {RANGES},
        "depth has no range, so nobody is told which numbers it takes: declare it with knob(..., low=..., high=...)",
    ),
)

LYING_STEPS: tuple[tuple[Step, str, str], ...] = (
    (Faulty(fault="nan"), "returns a loss", "update 0 returns the loss nan, not a finite one above 0"),
    (Faulty(fault="zero"), "returns a loss", "update 0 returns the loss 0"),
    (lying_steps.ReturnsItsGraph(), "returns a loss", "attached to its graph"),
    (
        lying_steps.FreezesAParameter(),
        "moves the parameters",
        "leave 'inner.weight' where it was (1 such parameters of 4)",
    ),
    (Faulty(fault="climbing"), "learns like plain training", "where plain fp32 lowers it by"),
    (lying_steps.HardlyMoves(), "learns like plain training", "12 updates lower the loss by"),
    (lying_steps.LendsItsLoss(), "returns a loss", "writes its loss where it returned one before"),
    (
        lying_steps.RebindsItsInput(),
        "trains on the batch it is given",
        "that of the batch before it, not",
    ),
    (lying_steps.ReplaysTooEarly(), "trains on the batch it is given", "it reads memory that is not the batch's"),
    (lying_steps.TrainsAsItEvaluates(), "leaves the model alone", "is not what it was"),
    (lying_steps.EvaluatesOneBatch(), "leaves the model alone", "of one batch for another"),
    (lying_steps.WritesToItsBatch(), "leaves the batch alone", "the step has written to its batch"),
    (
        lying_steps.MakesATensorOfTheHost(),
        "trains on another device",
        "expected all tensors to be on the same device, found one of the host",
    ),
    (lying_knobs.HasNoRange(), RANGES, "parts has no range"),
)

OF_THE_MODEL = {
    *("answers what its loss asks", "reaches every module", "learns what it asks", "predicts different things"),
    "computes where the model is",
}
"""Promises that a workload breaks which cannot be trained at all."""

LYING_WORKLOADS: tuple[tuple[Workload, set[str], str], ...] = (
    (lying_workloads.CountsFromOne(), {"makes the declared columns"}, "row 0 has the id 1 (203 such rows)"),
    (
        lying_workloads.MakesAnotherDtype(),
        {"makes the declared columns"},
        "column 'y' is float64 (203,) instead of float32 (203,)",
    ),
    (lying_workloads.LooksAtItsNeighbours(), {"makes the same rows in pieces"}, "of 'y' differ when they are made by"),
    (lying_workloads.PlansARowTwice(), {"plans each sample once"}, "epoch 0 plans row 51 2 times"),
    (lying_workloads.PlansBeyondTheEnd(), {"plans each sample once"}, "plans rows that are not among 203"),
    (
        lying_workloads.ReachesBeforeItsBlock(),
        {"cuts every sample", *OF_THE_MODEL},
        "cannot be cut (",
    ),
    (lying_workloads.HasNothingToLearn(), {"learns what it asks"}, "lowers its loss by 0: there is no signal"),
    (lying_workloads.LosesLessThanNothing(), {"learns what it asks"}, "not a finite one above 0"),
    (lying_workloads.SaysAlwaysTheSame(), {"predicts different things"}, "have standard deviation 0"),
    (
        lying_workloads.HasADeadHorizon(),
        {"predicts different things"},
        "y[1] is dead: its predictions have standard deviation 0, of the target",
    ),
    (lying_workloads.BypassesAModule(), {"reaches every module"}, "no gradient reaches around: use it, or set"),
    (lying_workloads.DetachesAModule(), {"reaches every module"}, "no gradient reaches around: use it, or set"),
    (
        lying_workloads.AsksForAnotherHead(),
        OF_THE_MODEL,
        "its loss fails (KeyError: 'far'): the model gives (16,); the batch has x (16, 6), y (16,), unsure (16,)",
    ),
    (
        lying_workloads.AnswersWithAnAxisMore(),
        {"answers what its loss asks", "predicts different things"},
        "no matching horizons of 'y': the model gives (16, 1), the batch has (16,)",
    ),
    (
        lying_workloads.WeighsOnTheHost(),
        {"computes where the model is"},
        "expected all tensors to be on the same device, found one of the host",
    ),
    (lying_datasets.DrawsItsOwnNumbers(), {"gives the same samples again"}, "draw from `sample_generator(index)`"),
    (lying_datasets.CountsItsSamples(), {"gives the same samples again"}, "'asked' of row"),
    (lying_datasets.ListsASampleTwice(), {"plans each sample once"}, "plans row 117 2 times"),
    (lying_knobs.HasAPlainField(), {RANGES}, "noise has no range"),
)


def named(value: object) -> str:
    return str(value) if isinstance(value, Strategy) else ""


@pytest.fixture
def fixture(sums_fixture: Fixture) -> Iterator[Fixture]:
    """Two epochs of `Sums`, short patience, and nothing left of the liars afterwards."""
    yield replace(sums_fixture, deadline_s=60.0, grace_s=0.4)
    left.clear()


def broken(strategy: Loader | Step | Workload, fixture: Fixture) -> dict[str, str]:
    return {name: str(error) for name, error in check(strategy, fixture) if error is not None}


@pytest.mark.process
@pytest.mark.parametrize(("liar", "promises", "text"), LYING_LOADERS, ids=named)
def test_a_lying_loader_is_caught_by_the_promise_it_breaks(
    liar: Loader, promises: set[str], text: str, fixture: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    if SPAWN not in promises:
        # A fresh interpreter takes seconds; these liars say there what they say here.
        kept = tuple(promise for promise in LOADER_PROMISES if promise is not streams_in_a_spawned_process)
        monkeypatch.setattr("feedrate.contract.LOADER_PROMISES", kept)
    caught = broken(liar, fixture)
    assert set(caught) == promises
    first = next(iter(caught.values()))
    assert first.startswith(f"{liar}: ")
    assert text in first
    assert "\n" not in first


@pytest.mark.process
def test_what_every_stream_leaves_is_named_and_not_what_came_once_beside_it(fixture: Fixture) -> None:
    with pytest.raises(ContractError, match=r"leaves \S*/lying_leftovers.py open behind after the last batch"):
        leaves_nothing_behind(lying_leftovers.LeavesAFileBesideALibrary(), fixture)


@pytest.mark.slow
@pytest.mark.parametrize(("liar", "promise", "text"), LYING_STEPS, ids=named)
def test_a_lying_step_is_caught_by_the_promise_it_breaks(liar: Step, promise: str, text: str, fixture: Fixture) -> None:
    caught = broken(liar, fixture)
    assert set(caught) == {promise}
    assert text in caught[promise]


@pytest.mark.slow
@pytest.mark.parametrize(("liar", "promises", "text"), LYING_WORKLOADS, ids=named)
def test_a_lying_workload_is_caught_by_the_promise_it_breaks(liar: Workload, promises: set[str], text: str) -> None:
    caught = broken(liar, unwritten(liar))
    assert set(caught) == promises
    first = next(iter(caught.values()))
    assert first.startswith(f"{liar}: ")
    assert text in first
    assert "\n" not in first


@pytest.mark.process
def test_the_truthful_pass(fixture: Fixture) -> None:
    for workload in (Sums(), lying_workloads.HasTwoHorizons(), lying_workloads.GoesAround()):
        assert broken(workload, unwritten(workload)) == {}
    assert broken(Inline(), fixture) == {}
    assert broken(shuffling.Shuffling(), fixture) == {}
    assert [broken(loader, fixture) for loader in lying_ahead.TRUTHFUL] == [{}, {}, {}]
    assert broken(lying_steps.PlainStep(), fixture) == {}
    assert broken(lying_steps.Replaying(), fixture) == {}


NEIGHBOUR = """
import collections, itertools, os, sys, time
held = collections.deque()
for count in itertools.count():
    held.append(open(f"{sys.argv[1]}-{count}", "w"))
    if len(held) > 500:
        os.unlink(held.popleft().name)
    time.sleep(0.01)
"""


@pytest.fixture
def neighbour() -> Iterator[str]:
    """Begin of the names in shared memory that a process which is no descendant of ours makes all the time."""
    name = f"neighbour-{os.getpid()}"
    shell = ["sh", "-c", '"$0" -c "$1" "$2" >/dev/null 2>&1 & echo $!', sys.executable, NEIGHBOUR, f"/dev/shm/{name}"]
    pid = int(subprocess.run(shell, check=True, capture_output=True, text=True).stdout)
    yield name
    os.kill(pid, signal.SIGKILL)
    for path in held_by(name):
        path.unlink()


def held_by(neighbour: str) -> set[Path]:
    return set(Path("/dev/shm").glob(f"{neighbour}-*"))


@pytest.mark.process
def test_shared_memory_that_a_neighbour_holds_was_not_left_by_the_loader(neighbour: str, fixture: Fixture) -> None:
    class Slow(Inline):
        name = "slow"

        def stream(self, plan: Plan) -> Stream:
            there = held_by(neighbour)
            yield from super().stream(plan)
            while held_by(neighbour) <= there:
                time.sleep(0.01)

    leaves_nothing_behind(Slow(), fixture)


@pytest.mark.slow
def test_a_loader_that_hangs_on_a_truncated_file_is_given_up(fixture: Fixture) -> None:
    with pytest.raises(
        ContractError, match=r"^hangs_on_truncated: 0000\d.arrow is cut in half: still not done after 2 s$"
    ):
        names_a_truncated_file(lying_about_files.HangsOnTruncated(), replace(fixture, deadline_s=2.0))
    names_a_missing_file(lying_about_files.HangsOnTruncated(), fixture)


def test_a_loader_that_never_ends_is_stopped(fixture: Fixture) -> None:
    with pytest.raises(ContractError, match="serves more than 62 batches instead of 30"):
        fixture.served(lying_rows.NeverEnds())


def test_only_promises_that_apply_to_a_strategy_are_asked_of_it(fixture: Fixture) -> None:
    of_ready_batches = {promise for promise in LOADER_PROMISES if not promise.applies_to(Resident())}
    untrained = [name for name, _ in check(NoTraining(), fixture)]

    assert of_ready_batches == {
        *(serves_each_row_once, keeps_the_planned_order, cuts_the_planned_batches, cuts_batches_of_its_own),
        *(names_a_missing_file, names_a_truncated_file, names_a_corrupt_file),
        *(says_how_many_batches_are_ready, reads_again_in_each_epoch),
        next(promise for promise in LOADER_PROMISES if title(promise) == "swaps its source"),
    }
    assert untrained == ["leaves the batch alone", RANGES]
    of_others = ["cuts batches of its own", "swaps its source"]
    assert [title(promise) for promise in LOADER_PROMISES if not promise.applies_to(Inline())] == of_others
    of_no_training = [title(promise) for promise in STEP_PROMISES if not promise.applies_to(lying_steps.PlainStep())]
    assert of_no_training == ["leaves the model alone"]


def test_every_promise_has_its_liar() -> None:
    several = [promises for _, promises, _ in (*LYING_LOADERS, *LYING_WORKLOADS)]
    caught = {name for promises in several for name in promises} | {name for _, name, _ in LYING_STEPS}
    assert caught == {*map(title, LOADER_PROMISES), *map(title, STEP_PROMISES), *map(title, WORKLOAD_PROMISES)}

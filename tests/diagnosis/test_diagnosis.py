"""Cells that are slow in one known place are taken apart in real processes; each delay is many times all else."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from feedrate.data.dataset import DataSet
from feedrate.diagnosis.attribution import rung_s
from feedrate.diagnosis.diagnosis import Diagnosis, diagnose, quick_diagnosis, records
from feedrate.records.cell_traits import LoaderTraits
from feedrate.records.measurement import Failure
from feedrate.records.raw_results import append, read, results
from feedrate.runner.forkserver import ForkServer
from feedrate.runner.isolation import ReplicateSettings
from tests.support import PLUGINS

# On a busy machine a diagnosis takes up to six processes, as it does for a user.
pytestmark = [pytest.mark.process, pytest.mark.alone, pytest.mark.timeout(300)]

SLOWED = PLUGINS / "slowed.py"


@pytest.fixture(scope="module")
def settings(
    sums_data: DataSet, tmp_path_factory: pytest.TempPathFactory, fork_server: ForkServer
) -> ReplicateSettings:
    return ReplicateSettings(
        sums_data.folder.parent,
        tmp_path_factory.mktemp("logs"),
        "test",
        seconds=0.1,
        plugin_files=(SLOWED,),
        timeout_s=100,
        threads=1,
        fork_server=fork_server,
    )


@pytest.fixture(scope="module")
def decoding(settings: ReplicateSettings) -> Diagnosis:
    return taken_apart("sums/tiny/decoding/none/cpu", settings, replicates=3)


def taken_apart(
    cell: str, settings: ReplicateSettings, *, replicates: int = 1, most: int = 6, cold: bool = False
) -> Diagnosis:
    # As many as `feedrate why` takes: one process in ten meets a machine that is busy elsewhere for its half second.
    found = diagnose(cell, settings, replicates=replicates, most=most, cold=cold)
    assert isinstance(found, Diagnosis), found
    return found


def test_a_loader_that_decodes_too_often_is_bound_by_decoding(decoding: Diagnosis) -> None:
    assert decoding.verdict.kind == "decode", decoding.verdict.sentence
    assert decoding.evidence.slopes["decode"].mean > 3, "ten times the delay of one decoding, in one thread"


def test_delays_and_rungs_without_the_step_are_measured_in_the_first_process_alone(decoding: Diagnosis) -> None:
    first, *others = decoding.ladders

    assert set(first.delays) == {"step", "read", "decode", "hand-over"}
    assert all(first.rungs[name].alone for name in ("R1", "R2", "R3", "R4"))
    assert len(others) == 2
    for ladder in others:
        assert ladder.delays == {}
        assert [name for name, rung in ladder.rungs.items() if rung.full] == ["R0", "R1", "R2", "R3", "R4"]
        assert [name for name, rung in ladder.rungs.items() if rung.alone] == ["R4"]


def test_the_parts_sum_to_what_both_together_take(decoding: Diagnosis) -> None:
    seen = decoding.evidence
    assert seen.unexplained_s is not None

    summed = seen.step_s.mean + sum(part.mean for part in seen.parts.values()) + seen.unexplained_s.mean

    assert summed == pytest.approx(seen.full_s.mean)
    assert list(seen.parts) == ["copy", "hand-over", "decode", "read warm"]
    assert seen.lumped == {}


def test_a_diagnosis_survives_json_and_a_file_that_holds_outcomes_too(decoding: Diagnosis, tmp_path: Path) -> None:
    raw = tmp_path / "raw.jsonl"
    append(raw, decoding)
    append(raw, decoding.measured[0])

    assert [one for one in records(raw) if isinstance(one, Diagnosis)] == [decoding]
    assert list(read(raw)) == [decoding.measured[0]]
    assert len(results(tmp_path)) == 1
    assert json.loads(raw.read_text().splitlines()[0])["verdict"]["kind"] == "decode"


def test_a_wait_before_each_batch_is_found_in_the_hand_over(settings: ReplicateSettings) -> None:
    found = taken_apart("sums/tiny/waiting/none/cpu", settings).verdict

    assert found.kind == "hand-over", found.sentence


def test_a_slow_step_leaves_nothing_to_the_loader(settings: ReplicateSettings) -> None:
    found = taken_apart("sums/tiny/inline/lazy[wait_ms=20]/cpu", replace(settings, seconds=0.4))

    assert found.verdict.family == "step", found.verdict.sentence
    facts = found.evidence.facts
    assert facts is not None
    # A linear layer of 6 x 8 and one of 8 x 1, forward and both backward products but the one of the first input.
    assert facts.flops_per_step == pytest.approx(203 / 15 * (2 * 2 * 6 * 8 + 3 * 2 * 8))
    assert facts.dtype == "fp32"
    assert facts.kernels_per_step is None


def test_sides_alone_are_told_apart_without_stages_and_without_the_step_inside(settings: ReplicateSettings) -> None:
    diagnosis = quick_diagnosis("sums/tiny/waiting/lazy/cpu", settings, stages=False, facts=False)

    assert isinstance(diagnosis, Diagnosis), diagnosis
    assert diagnosis.verdict_of_numbers.kind == "no overlap", diagnosis.verdict_of_numbers.sentence
    (ladder,) = diagnosis.ladders
    assert {name for name, rung in ladder.rungs.items() if rung.full} == {"R0", "R4"}
    assert ladder.rungs["R2"].absent == "nobody asked for the stages of loading"
    assert ladder.delays == {}
    assert ladder.facts is None


def test_a_slow_loader_and_a_slow_step_that_take_turns_do_not_overlap(settings: ReplicateSettings) -> None:
    found = taken_apart("sums/tiny/waiting/lazy/cpu", settings)

    assert found.verdict.kind == "no overlap", found.verdict.sentence
    assert found.evidence.contention_s is None
    assert 1.5 < found.verdict.gain_at_most < 2.5


def test_what_a_loader_does_not_read_through_the_plan_is_not_measured(settings: ReplicateSettings) -> None:
    found = taken_apart("sums/tiny/native/none/cpu", settings)

    both = tuple(zip(found.measured, found.ladders, strict=True))
    assert rung_s(both, "R4", alone=False) is not None
    assert rung_s(both, "R3", alone=False) is None
    assert "does not read through the plan" in found.ladders[0].rungs["R2"].absent
    assert set(found.evidence.slopes) == {"step"}
    assert list(found.evidence.lumped) == ["hand-over + decode + read warm"]


def test_workers_are_followed_into_their_processes(settings: ReplicateSettings) -> None:
    found = taken_apart("sums/tiny/workers[count=2]/lazy[wait_ms=5]/cpu", settings)

    assert found.ladders[0].rungs["R2"].full
    assert 1.5 < found.ladders[0].readers <= 2
    assert found.evidence.traits.loader == LoaderTraits("processes", 2, "count", "prefetch")
    assert found.evidence.traits.cores == len(os.sched_getaffinity(0))
    assert found.ladders[0].step_beside
    assert found.ladders[0].loader_beside


def test_nothing_is_left_in_memory(settings: ReplicateSettings) -> None:
    found = diagnose("sums/tiny/failing/none/cpu", settings, replicates=1)

    assert isinstance(found, Failure)
    assert found.reason == "ValueError: enough of this"
    assert not list(Path("/dev/shm").glob(f"feedrate-*-{os.getpid()}"))


def test_a_cold_epoch_is_measured_or_the_kernel_is_blamed(settings: ReplicateSettings) -> None:
    found = taken_apart("sums/tiny/inline/none/cpu", settings, cold=True).ladders[0].rungs["R5"]

    assert bool(found.full) != bool(found.absent)
    assert found.full or "the kernel keeps" in found.absent

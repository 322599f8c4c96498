"""What a verdict says of a person's own script beyond a cell's: the part of loading, its step's inside, the order."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from feedrate.diagnosis.attribution import attribute
from feedrate.diagnosis.causes import HeldBack
from feedrate.diagnosis.evidence import Evidence, LoadingPart, LoadingStage
from feedrate.diagnosis.finding import Kind
from feedrate.diagnosis.verdict import verdict
from feedrate.records.cell_traits import CellTraits, DataLoaderTraits
from feedrate.records.code_place import CodePlace
from feedrate.records.estimate import Estimate
from feedrate.records.ladder import BatchWaits, Ladder
from feedrate.records.loading_times import LoadingTimes, PartTimes
from feedrate.records.step_profile import PythonUse, StepProfile
from tests.diagnosis.test_verdict import SLOW_LOADER, SLOW_STEP, evidence
from tests.support.outcomes import measurement

PLACE = CodePlace("draw", "train.py", 41, "rich", 0.7)


def loading(parts_ms: Mapping[LoadingStage, float], *, workers: int = 0, half_ms: float = 0.1) -> Evidence:
    """A script whose loader takes 20 ms, made of these parts."""
    parts = tuple(LoadingPart(stage, Estimate(ms / 1e3, half_ms / 1e3)) for stage, ms in parts_ms.items())
    rest = Estimate((20 - sum(parts_ms.values())) / 1e3, 1e-4)
    traits = CellTraits(dataloader=DataLoaderTraits(workers=workers), cores=4)
    return evidence(*SLOW_LOADER, loading_parts=parts, loading_rest_s=rest, traits=traits)


@pytest.mark.parametrize(
    ("parts_ms", "kind"),
    [
        ({"fetch": 16, "collate": 2}, "fetch"),
        ({"fetch": 2, "collate": 16}, "collate"),
        ({"fetch": 4, "collate": 1, "hand-over": 14}, "hand-over"),
        ({"fetch": 4, "collate": 1, "pin": 14}, "pin"),
        # None has enough of it, or what nobody explains is more.
        ({"fetch": 7, "collate": 7, "hand-over": 6}, "loader-bound"),
        ({"fetch": 9, "collate": 1}, "loader-bound"),
        # What is fetched in one process may take longer than all of them together.
        ({"fetch": 60, "collate": 1}, "fetch"),
    ],
)
def test_the_part_that_takes_most_of_loading_is_named(parts_ms: Mapping[LoadingStage, float], kind: Kind) -> None:
    judged = verdict(loading(parts_ms))

    assert judged.kind == kind, judged.sentence
    assert judged.family == "loader"


def test_the_sentence_has_the_part_the_rest_and_who_shares_it() -> None:
    judged = verdict(loading({"fetch": 16, "collate": 2}, workers=2))

    assert judged.statement == (
        "loader-bound (fetch): fetching samples takes 16 ms, shared by 2 workers, of the loader's 20 ms a batch,"
        " 2 ms +-0.1 ms of which nothing explains; no step can gain more than x1.01 here"
    )
    assert "num_workers=4" in judged.next_try
    assert judged.gain_at_most == pytest.approx(20.2 / 4.2)


def test_a_part_that_is_not_clear_of_its_interval_is_only_likely() -> None:
    judged = verdict(loading({"fetch": 16, "collate": 2}, half_ms=17))

    assert (judged.kind, judged.firm) == ("loader-bound", False)
    assert "most likely fetching samples takes 16 ms +-17 ms" in judged.statement


def test_parts_survive_json_and_those_of_a_cell_are_not_there() -> None:
    case = loading({"fetch": 16, "collate": 2})
    raw = json.loads(json.dumps(case.as_json()))

    assert Evidence.from_json(raw).loading_parts == case.loading_parts
    assert "loading_parts" not in evidence(*SLOW_LOADER).as_json()


# --- from what was timed to parts


def timed(*, workers: int, hand_over_ms: float | None = None, core_share: float = 1.0) -> Ladder:
    """Batches of 256 samples that take 16 ms to fetch and 4 to collate in one process; begun anew every 10 batches."""
    return Ladder(
        loading=LoadingTimes(
            samples=3 * 256,
            fetch=PartTimes((0.016,) * 3, (0.016 * core_share,) * 3),
            collate=PartTimes((0.004,) * 3, (0.004 * core_share,) * 3),
            hand_over_s=() if hand_over_ms is None else (hand_over_ms / 1e3,) * 5,
        ),
        traits=CellTraits(dataloader=DataLoaderTraits(workers=workers), cores=2),
        epoch_batches=10,
        boundary_s=0.02,
    )


def parts_of(ladder: Ladder, loader_ms: float) -> Mapping[str, float]:
    """Milliseconds a batch by part, and of what is left."""
    seen = attribute([(measurement(loader_ms=loader_ms, full_ms=40.0), ladder)] * 3)
    assert seen.loading_rest_s is not None
    parts: dict[str, float] = {part.stage: part.cost.mean * 1e3 for part in seen.loading_parts}
    return parts | {"rest": seen.loading_rest_s.mean * 1e3}


def test_parts_of_a_loader_without_workers_are_as_they_were_timed() -> None:
    assert parts_of(timed(workers=0), 23.0) == pytest.approx({"fetch": 16, "collate": 4, "start-up": 2, "rest": 1})


def test_workers_share_fetching_and_collating_but_no_more_than_there_are_cores() -> None:
    assert parts_of(timed(workers=2, hand_over_ms=1.5), 15.0) == pytest.approx(
        {"fetch": 8, "collate": 2, "hand-over": 1.5, "start-up": 2, "rest": 1.5}
    )
    assert parts_of(timed(workers=4), 15.0)["fetch"] == pytest.approx(8), "two cores"
    assert parts_of(timed(workers=4, core_share=0.1), 15.0)["fetch"] == pytest.approx(4), "they wait, mostly"


def test_nothing_is_said_of_parts_that_were_not_measured_in_each_process() -> None:
    absent = replace(timed(workers=0), loading=LoadingTimes(absent="the data set has its own ways"))
    for replicates in ([absent], [timed(workers=0), absent]):
        seen = attribute([(measurement(), ladder) for ladder in replicates])
        assert (seen.loading_parts, seen.loading_rest_s) == ((), None)


# --- the step of a script


def step(operators: float, operators_ms: float, python_ms: float) -> StepProfile:
    """A step of 20 ms whose operations nobody counted."""
    return StepProfile(
        operators_per_step=operators, operators_s=operators_ms / 1e3, python=PythonUse(python_ms / 1e3, 0.02)
    )


@pytest.mark.parametrize(
    ("profile", "kind"),
    [
        (step(100, 3, 16), "python"),
        (step(100, 18, 1.5), "compute"),
        (step(4_000, 8, 10), "launch"),
        # It sleeps, or waits for something that is no operator.
        (step(30, 0.2, 0.3), "step-bound"),
    ],
)
def test_the_step_of_a_script_is_told_as_that_of_a_cell(profile: StepProfile, kind: Kind) -> None:
    assert verdict(evidence(*SLOW_STEP, facts=profile)).kind == kind


def test_a_step_in_python_has_the_line_that_was_met_from_outside() -> None:
    case = evidence(*SLOW_STEP, facts=step(100, 3, 16), places={"step": (PLACE,)})
    assert verdict(case).statement.endswith(
        "80% of the step's 20 ms in Python, outside of operators; "
        "70% of the step is in draw (train.py, line 41), which calls rich"
    )
    turns = evidence(10, 10, 20, facts=step(100, 3, 16), places={"step": (PLACE,)})
    (cause,) = verdict(turns).causes
    assert cause.kind == "python"
    assert "70% of its time in draw (train.py, line 41)" in verdict(turns).statement


# --- finished batches that wait for their turn


def test_an_order_that_holds_finished_batches_back_is_told_where_loading_costs_time() -> None:
    judged = verdict(evidence(*SLOW_LOADER, held_back_share=0.7, traits=CellTraits(dataloader=DataLoaderTraits(2))))

    assert [cause.facts for cause in judged.causes] == [HeldBack(0.7)]
    assert judged.statement.endswith(
        "in 70% of the time that the loop waits for a batch, all workers but one have finished theirs, and the order"
        " holds them back"
    )
    assert judged.next_try.startswith("try DataLoader(..., in_order=False)")
    assert verdict(evidence(*SLOW_LOADER, held_back_share=0.1)).causes == ()
    assert verdict(evidence(*SLOW_STEP, held_back_share=0.7)).causes == ()
    assert verdict(evidence(2, 4, 20, epoch_batches=10, boundary_s=0.17, held_back_share=0.7)).causes == ()


def test_the_share_that_is_held_back_is_of_all_processes() -> None:
    ladders = (Ladder(waits=BatchWaits(3.0, 1.0)), Ladder(waits=BatchWaits(1.0, 1.0)), Ladder())
    assert attribute([(measurement(), ladder) for ladder in ladders]).held_back_share == pytest.approx(0.5)

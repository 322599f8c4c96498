"""Rules are asked for facts; no sentence is looked at."""

from __future__ import annotations

import json
from typing import cast

import pytest

from feedrate.diagnosis.finding import (
    Finding,
    LateFirstBatch,
    LoaderCost,
    SlowedDown,
    SlowEpochStarts,
    SlowerThanTurns,
    StageCost,
    StepCost,
    TakingTurns,
    Unexplained,
    UnexplainedQueue,
    WideStall,
)
from feedrate.diagnosis.rules import find
from feedrate.diagnosis.thresholds import Thresholds
from feedrate.diagnosis.verdict import verdict
from feedrate.diagnosis.wording import statement
from feedrate.records.estimate import Estimate
from tests.diagnosis.test_verdict import BUSY, SLOW_LOADER, SLOW_STEP, evidence, seconds


def nearly(value: float) -> float:
    """Equal to what is a rounding error away."""
    return cast("float", pytest.approx(value))


def test_a_first_batch_that_outlasts_epochs_is_a_fact_of_its_own() -> None:
    found = find(evidence(10, 2, 10, first_batch_s=60.0))

    assert found == Finding("start-up", LateFirstBatch(60.0, nearly(10.0)), nearly(7.0))
    assert find(evidence(10, 2, 10, first_batch_s=Thresholds.max_start_epochs * 10)).kind == "step-bound"


def test_the_starts_of_epochs_are_told_from_the_first_batch_of_all() -> None:
    found = find(evidence(2, 4, 20, epoch_batches=10, boundary_s=0.17))

    assert found.facts == SlowEpochStarts(0.17)
    assert found.gain == nearly(20 / 3)


def test_a_stage_comes_with_its_cost_and_the_delay_that_came_back() -> None:
    slopes = {"decode": Estimate(0.24, 0.02)}
    facts = find(evidence(*SLOW_LOADER, {"decode": 17}, readers=4.0, slopes=slopes)).facts

    assert isinstance(facts, StageCost)
    assert (facts.stage, facts.cost.mean, facts.delay_returned, facts.confirmed) == ("decode", 0.017, 0.24, True)
    alone = find(evidence(*SLOW_LOADER, {"decode": 17}, readers=1.0, slopes=slopes)).facts
    assert isinstance(alone, StageCost)
    assert not alone.confirmed


def test_a_loader_without_a_stage_and_a_step_say_what_the_other_side_may_gain() -> None:
    loader, step = find(evidence(*SLOW_LOADER)), find(evidence(*SLOW_STEP, facts=BUSY))

    assert loader.facts == LoaderCost(0.02, 0.0202, nearly(1.01))
    assert step.facts == StepCost(0.02, nearly(1.01), BUSY)


def test_a_step_that_takes_nothing_has_nothing_to_gain_whatever_the_machine_did_meanwhile() -> None:
    stage = find(evidence(0.006, 1.65, 2.54, {"decode": 2.2})).facts
    loader = find(evidence(0.006, 1.65, 2.54)).facts

    assert isinstance(stage, StageCost)
    assert isinstance(loader, LoaderCost)
    assert stage.step_ceiling == loader.step_ceiling == nearly(2.54 / 2.534)


def test_what_both_sides_do_to_each_other_is_four_facts() -> None:
    slowed = find(evidence(10, 5, 20, contention_s=seconds(9.5), loader_beside_s=seconds(8)))
    queue = find(evidence(10, 9, 14, contention_s=seconds(0.2), loader_beside_s=seconds(9)))

    assert slowed.facts == SlowedDown(0.005, 0.01, nearly(0.0195))
    assert find(evidence(10, 2, 30)).facts == SlowerThanTurns(0.002, 0.01, 0.03)
    assert find(evidence(10, 12, 22)).facts == TakingTurns(0.012, 0.01)
    assert queue.facts == UnexplainedQueue(nearly(0.0038))


def test_turns_that_a_slowdown_would_explain_as_well_are_unsure_and_keep_it() -> None:
    slowdown = Estimate(-0.016, 0.04)
    found = find(evidence(66, 8, 80, contention_s=slowdown, loader_beside_s=seconds(11)))

    assert found == Finding("unsure", TakingTurns(0.008, 0.066, slowdown))
    assert not found.firm


def test_doubt_keeps_what_is_likely_and_how_many_replicates_would_settle_it() -> None:
    near, far = (find(evidence(10, 9, 15, stall_share=Estimate(0.33, half))).facts for half in (0.4, 30.0))
    rest = find(evidence(2, 20, 20.2, unexplained_s=Estimate(0.01, 0.001)))

    assert isinstance(near, WideStall)
    assert isinstance(far, WideStall)
    assert near.replicates is not None
    assert 3 < near.replicates <= Thresholds.max_replicates_to_suggest
    assert far.replicates is None
    assert near.likely == "step-bound"
    assert rest == Finding("unsure", Unexplained(0.01, 0.0202, "loader-bound"))


def test_the_json_of_a_verdict_has_the_facts_beside_the_sentence() -> None:
    found = verdict(evidence(*SLOW_LOADER, {"decode": 17}))
    raw = json.loads(json.dumps(found.as_json()))

    assert raw["facts"]["stage"] == "decode"
    assert raw["facts"]["cost"]["mean"] == 0.017
    assert raw["sentence"].startswith(raw["statement"])


def test_a_finding_is_said_the_same_whichever_evidence_it_came_from() -> None:
    facts = LateFirstBatch(7.0, 1.5)

    assert statement(Finding("start-up", facts)) == "start-up: the first batch takes 7 s, a whole epoch 1.5 s"

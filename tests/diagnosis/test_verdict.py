"""Verdicts on evidence made up for each: no loader ran for these numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

import pytest

from feedrate.diagnosis.evidence import Evidence, Stage, StagePart
from feedrate.diagnosis.verdict import Kind, Verdict, verdict
from feedrate.records.cell_traits import CellTraits, StepTraits
from feedrate.records.code_place import CodePlace
from feedrate.records.estimate import Estimate
from feedrate.records.step_profile import PythonUse, StepProfile

NOISE = 0.01
"""Half an interval, as a share of T_F."""


def evidence(
    step_ms: float, loader_ms: float, full_ms: float, parts_ms: Mapping[Stage, float] | None = None, **changes: object
) -> Evidence:
    """Evidence of three times and the exposed parts between the first and the last, narrow intervals around all."""

    def about(ms: float) -> Estimate:
        return Estimate(ms / 1e3, NOISE * full_ms / 1e3)

    base: dict[str, object] = {
        "step_s": about(step_ms),
        "loader_s": about(loader_ms),
        "full_s": about(full_ms),
        "stall_s": about(full_ms - step_ms),
        "stall_share": Estimate(1 - step_ms / full_ms, NOISE),
        "loader_ceiling": Estimate(full_ms / step_ms, NOISE),
        "step_ceiling": Estimate(full_ms / loader_ms, NOISE),
        "overlap": Estimate((loader_ms + step_ms - full_ms) / min(loader_ms, step_ms), NOISE),
        "replicates": 3,
        "stage_parts": tuple(StagePart((stage,), about(ms)) for stage, ms in (parts_ms or {}).items()),
        "unexplained_s": about(0),
        "epoch_batches": 1000,
    }
    return Evidence(**(base | changes))  # type: ignore[arg-type]


def seconds(ms: float) -> Estimate:
    return Estimate(ms / 1e3, 1e-5)


SLOW_LOADER = (2.0, 20.0, 20.2)
SLOW_STEP = (20.0, 2.0, 20.2)
NEVER_AT_REST = (7.0, 134.0, 262.0)
DISTURBED: dict[str, Any] = {
    "contention_s": seconds(255),
    "loader_beside_s": seconds(43),
    "unexplained_s": Estimate(0.25, 0.001),
}
LUMPED = StagePart(("hand-over", "decode", "read warm"), seconds(17))


def in_python(python_ms: float, operators: float) -> StepProfile:
    """A step of 20 ms, so many of them outside of operators."""
    place = CodePlace("show", "bars.py", 41, "rich", 0.7)
    return StepProfile(1e6, "fp32", 1e11, operators, python=PythonUse(python_ms / 1e3, 0.02, (place,)))


BUSY = StepProfile(flops_per_step=1e9, dtype="bf16", peak_flop_per_s=1e11, operators_per_step=100)


@pytest.mark.parametrize(
    ("case", "kind"),
    [
        (evidence(*SLOW_STEP), "step-bound"),
        (evidence(*SLOW_STEP, facts=BUSY), "compute"),
        (evidence(*SLOW_STEP, facts=StepProfile(1e6, "fp32", 1e11, operators_per_step=5_000)), "launch"),
        (evidence(*SLOW_STEP, facts=StepProfile(operators_per_step=5_000)), "step-bound"),
        (evidence(*SLOW_STEP, facts=in_python(15, 100)), "python"),
        # Starting operators takes so long, and a step that mostly waits is no busier for what it does in between.
        (evidence(*SLOW_STEP, facts=in_python(15, 2_000)), "launch"),
        (evidence(*SLOW_STEP, facts=in_python(5, 100)), "compute"),
        (evidence(*SLOW_LOADER, {"hand-over": 1, "decode": 15, "read warm": 2}), "decode"),
        (evidence(*SLOW_LOADER, {"hand-over": 15, "decode": 2, "read warm": 1}), "hand-over"),
        (evidence(*SLOW_LOADER, {"copy": 17, "hand-over": 1}), "copy"),
        (evidence(*SLOW_LOADER, {"copy": 1, "hand-over": 1, "decode": 2, "read warm": 14}), "read warm"),
        (evidence(*SLOW_LOADER, {"decode": 9, "read warm": 9, "read cold": 60}), "read cold"),
        (evidence(*SLOW_LOADER), "loader-bound"),
        (evidence(*SLOW_LOADER, stage_parts=(StagePart(("copy",), seconds(1)), LUMPED)), "loader-bound"),
        (evidence(*SLOW_LOADER, {"copy": 4, "hand-over": 5, "decode": 5, "read warm": 4}), "loader-bound"),
        (evidence(10, 10, 20), "no overlap"),
        (evidence(10, 12, 22), "no overlap"),
        (evidence(10, 12, 22, contention_s=seconds(0.1), loader_beside_s=seconds(12)), "no overlap"),
        (evidence(66, 8, 80, contention_s=Estimate(-0.016, 0.04), loader_beside_s=seconds(11)), "unsure"),
        (evidence(4, 40, 44, {"decode": 38}), "decode"),
        (evidence(10, 5, 20, contention_s=seconds(9.5), loader_beside_s=seconds(8)), "contention"),
        (evidence(10, 5, 20, contention_s=seconds(1), loader_beside_s=seconds(18)), "contention"),
        (evidence(10, 9, 14, contention_s=seconds(0.2), loader_beside_s=seconds(9)), "coupling"),
        # Beside each other neither is slower than alone: whatever it is, it is not that they slow each other down.
        (evidence(20, 9, 22.5, contention_s=seconds(0), loader_beside_s=seconds(9)), "coupling"),
        # Slower together than one after the other: by what they do to each other, or by what nobody knows.
        (evidence(35, 80, 263, contention_s=seconds(190), loader_beside_s=seconds(79)), "contention"),
        (evidence(35, 80, 263, contention_s=seconds(90), loader_beside_s=seconds(79)), "unsure"),
        # So, too, where the step alone is nothing beside the loader; but not where nobody saw them disturb each other.
        (evidence(6.8, 132, 255, contention_s=seconds(251), loader_beside_s=seconds(68)), "contention"),
        # Longer than one after the other: whatever it is, the step takes no turn that a faster loader would give.
        (evidence(6, 123, 257, contention_s=seconds(150), loader_beside_s=seconds(68)), "unsure"),
        (evidence(6, 123, 135, contention_s=seconds(2), loader_beside_s=seconds(123)), "loader-bound"),
        (evidence(0.014, 12.5, 16.8), "loader-bound"),
        (evidence(4, 40, 52, contention_s=seconds(0.1), loader_beside_s=seconds(40)), "loader-bound"),
        # A step that takes nothing slowed no loader: others on the machine did, from one window to the next.
        (evidence(0.006, 1.65, 2.54, {"decode": 2.2}, contention_s=seconds(0), loader_beside_s=seconds(2.5)), "decode"),
        (evidence(0.1, 1.65, 2.54, contention_s=seconds(0), loader_beside_s=seconds(2.5)), "contention"),
        # Beside a step that takes little the loader is most of T_F, whatever they do to each other as well.
        (evidence(1.1, 15.4, 19.7, {"decode": 15}, contention_s=seconds(2), loader_beside_s=seconds(23)), "decode"),
        (evidence(1.2, 15.4, 17.4, {"decode": 15}, contention_s=seconds(2), loader_beside_s=seconds(18)), "decode"),
        (evidence(5, 15.4, 19.7, {"decode": 15}, contention_s=seconds(2), loader_beside_s=seconds(19)), "contention"),
        (evidence(10, 9, 14), "step-bound"),
        (evidence(9, 10, 14), "loader-bound"),
        (evidence(10, 2, 10.1, first_batch_s=60.0), "start-up"),
        (evidence(2, 4, 20, epoch_batches=10, boundary_s=0.17), "start-up"),
        (evidence(10, 9, 15, stall_share=Estimate(0.33, 0.4)), "unsure"),
        (evidence(10, 2, 30), "unsure"),
        (evidence(2, 20, 20.2, unexplained_s=Estimate(0.01, 0.001)), "unsure"),
        # What a stream that never rests costs the step is in no rung, and no riddle.
        (evidence(*NEVER_AT_REST, resting_s=0.248, **DISTURBED), "contention"),
        (evidence(*NEVER_AT_REST, **DISTURBED), "unsure"),
    ],
)
def test_what_holds_a_cell_back_is_named(case: Evidence, kind: Kind) -> None:
    found = verdict(case)

    assert found.kind == kind, found.sentence


@pytest.mark.parametrize(
    ("busy_ms", "syncs", "kernels", "kind"),
    [(19, 0, 300, "compute"), (6, 0, 5_000, "launch"), (6, 2, 5_000, "sync"), (None, None, None, "step-bound")],
)
def test_on_a_device_the_host_is_told_apart_from_the_kernels(
    busy_ms: float | None, syncs: float | None, kernels: float | None, kind: Kind
) -> None:
    busy_s = None if busy_ms is None else busy_ms / 1e3
    facts = StepProfile(1e9, "bf16", 1e14, 400, kernels, syncs, busy_s)

    found = verdict(evidence(*SLOW_STEP, facts=facts, device="cuda"))

    assert found.kind == kind, found.sentence


def test_a_device_that_waits_for_python_is_told_from_one_that_waits_for_many_launches() -> None:
    facts = replace(in_python(15, 100), device_busy_s=0.004, syncs_per_step=0, kernels_per_step=90)

    assert verdict(evidence(*SLOW_STEP, facts=facts, device="cuda")).kind == "python"
    busy = replace(facts, device_busy_s=0.019)
    assert verdict(evidence(*SLOW_STEP, facts=busy, device="cuda")).kind == "compute"


def test_a_step_in_python_is_told_how_much_of_it_and_where() -> None:
    judged = verdict(evidence(*SLOW_STEP, facts=in_python(15, 100)))

    assert judged.statement == (
        "step-bound (python): no loader can gain more than x1.01 here; 100 operators a step at 0.1% of fp32 peak; "
        "75% of the step's 20 ms in Python, outside of operators; "
        "70% of its time in show (bars.py, line 41), which calls rich"
    )
    assert judged.next_try.startswith("try displays, metrics and logs once in many steps")


def test_a_step_of_many_operators_is_told_where_they_are_started() -> None:
    judged = verdict(evidence(*SLOW_STEP, facts=in_python(1, 5_000)))

    assert judged.kind == "launch"
    assert "70% of its time in show (bars.py, line 41)" in judged.statement
    assert "line 41" not in verdict(evidence(*SLOW_STEP, facts=in_python(1, 100))).statement


def test_every_kind_has_a_family() -> None:
    families = {kind: Verdict(kind, "", "", 1.0).family for kind in get_args(Kind)}

    assert {kind for kind, family in families.items() if family == "step"} == {
        "compute", "launch", "python", "sync", "step-bound",
    }  # fmt: skip
    assert {kind for kind, family in families.items() if family == "both"} == {"contention", "coupling", "no overlap"}
    assert families["unsure"] == "unsure"
    assert families["decode"] == families["start-up"] == "loader"


def test_the_sentence_of_a_bound_step_says_what_is_in_it_and_what_to_try() -> None:
    facts = StepProfile(6e10, "bf16", 1e14, 6_000, kernels_per_step=5_000, syncs_per_step=0, device_busy_s=0.005)

    eager = CellTraits(step=StepTraits("bf16", compiled=False))

    found = verdict(evidence(*SLOW_STEP, facts=facts, device="cuda", traits=eager))

    assert found.sentence == (
        "step-bound (launch): no loader can gain more than x1.01 here; 5,000 kernels a step at 3.0% of bf16 peak: "
        "try compiled, graphed (the whole update as one CUDA graph), or larger batches (x10 at most)"
    )
    assert found.numbers["peak_share"] == pytest.approx(0.03)


def test_a_stage_promises_no_more_than_its_part() -> None:
    found = verdict(evidence(*SLOW_LOADER, {"decode": 10.1, "hand-over": 7.0}))

    assert found.kind == "decode"
    assert found.gain_at_most == pytest.approx(2)


def test_no_stage_promises_more_than_a_perfect_loader_gives() -> None:
    found = verdict(evidence(*SLOW_LOADER, {"decode": 20.1}))

    assert found.gain_at_most == pytest.approx(10.1)


def test_a_delay_that_comes_back_shared_by_its_readers_confirms_the_stage() -> None:
    case = evidence(*SLOW_LOADER, {"decode": 17}, readers=4.0, slopes={"decode": Estimate(0.24, 0.02)})

    assert "comes back, 0.24 of it" in verdict(case).sentence


def test_a_delay_that_does_not_come_back_is_said() -> None:
    case = evidence(*SLOW_LOADER, {"decode": 17}, slopes={"decode": Estimate(0.1, 0.02)})

    assert "not confirmed" in verdict(case).sentence


def test_near_balance_the_slower_side_is_named() -> None:
    assert verdict(evidence(9.9, 10.06, 10.09)).family == "loader"
    assert verdict(evidence(10.06, 9.9, 10.09)).family == "step"


def test_one_replicate_is_taken_at_its_word() -> None:
    case = evidence(*SLOW_STEP, stall_share=Estimate(0.01, None), replicates=1)

    assert verdict(case).kind == "step-bound"


def test_more_replicates_are_asked_for_only_where_they_would_help() -> None:
    near, far = Estimate(0.33, 0.4), Estimate(0.33, 30.0)

    assert "--replicates" in verdict(evidence(10, 9, 15, stall_share=near)).next_try
    assert "nobody else uses" in verdict(evidence(10, 9, 15, stall_share=far)).next_try


def test_a_stage_that_is_not_clear_of_its_interval_is_only_likely() -> None:
    case = evidence(*SLOW_LOADER, {"decode": 17, "hand-over": 1})
    vague = replace(case, stage_parts=(StagePart(("decode",), Estimate(0.017, 0.02)), case.stage_parts[1]))

    assert verdict(case).firm
    found = verdict(vague)
    assert (found.kind, found.family, found.firm) == ("loader-bound", "loader", False)
    assert "most likely decoding" in found.sentence
    assert verdict(replace(vague, replicates=2)).kind == "decode", "two are taken at their word"


def test_a_verdict_is_one_line() -> None:
    found = verdict(evidence(10, 10, 20))

    assert "\n" not in found.sentence
    assert found.sentence.startswith("no overlap: ")
    assert json.loads(json.dumps(found.as_json()))["family"] == "both"


def test_evidence_survives_json() -> None:
    case = evidence(
        *SLOW_LOADER, {"decode": 17}, facts=BUSY, slopes={"decode": Estimate(1.0, None)}, contention_s=seconds(1)
    )  # fmt: skip

    assert Evidence.from_json(json.loads(json.dumps(case.as_json()))) == case
    assert Evidence.from_json({**case.as_json(), "later": 1}) == case

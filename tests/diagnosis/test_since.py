"""What has changed since a commit is told from judgements and parts; the real thing is in test_compare."""

from __future__ import annotations

import math

import pytest

from feedrate.comparison.paired_test import ComparisonVerdict, Pairs, verdicts
from feedrate.diagnosis.evidence import STAGES, Stage, StagePart
from feedrate.diagnosis.regression import describe_stage, largest_change, regression_of
from feedrate.records.estimate import Estimate


def judged(speed: float, spread: float = 0.002) -> ComparisonVerdict:
    """What eight pairs say in which A, the code that runs, is so many times as fast as B."""
    ratios = tuple(math.log(speed) + spread * sign for sign in (1, -1, 1, -1, 1, -1, 1, -1))
    return verdicts([Pairs(ratios, most=8)])[0]


def triple(full: float, loader: float, step: float) -> dict[str, ComparisonVerdict]:
    return {"full": judged(full), "loader": judged(loader), "step": judged(step)}


def test_the_side_that_moved_is_named_beside_what_is_noticed() -> None:
    found = regression_of(triple(0.8, 0.75, 1.0), step_s=0.001, loader_s=0.010)
    assert (found.kind, found.side) == ("slower", "loader")
    assert found.sentence.startswith("SLOWER: the loader alone takes x1.33 (")
    assert "both together takes x1.25 (" in found.sentence

    found = regression_of(triple(1.5, 1.0, 1.6), step_s=0.010, loader_s=0.001)
    assert (found.kind, found.side) == ("faster", "step")


def test_what_is_hidden_is_latent_and_says_when_it_will_show() -> None:
    found = regression_of(triple(1.0, 0.8, 1.0), step_s=0.020, loader_s=0.010)
    assert (found.kind, found.side) == ("latent", "loader")
    assert found.sentence.endswith("the step hides it: it will show on a step x2.0 as fast")

    found = regression_of(triple(1.0, 1.0, 0.8), step_s=0.010, loader_s=0.040)
    assert found.sentence.endswith("the loader hides it: it will show on a loader x4.0 as fast")

    found = regression_of(triple(1.0, 0.8, 1.0), step_s=0.010, loader_s=0.0101)
    assert "it is about to be seen" in found.sentence


def test_what_neither_side_explains_lies_between_them() -> None:
    found = regression_of(triple(0.7, 1.0, 1.0), step_s=0.01, loader_s=0.01)
    assert (found.kind, found.side) == ("slower", "together")
    assert found.sentence.endswith("look at what they do to each other")


def test_a_side_that_is_not_decided_yet_is_not_said_to_be_the_same() -> None:
    undecided = triple(0.7, 1.0, 1.0) | {"loader": judged(0.9, spread=0.5)}
    found = regression_of(undecided, step_s=0.01, loader_s=0.01)
    assert (found.kind, found.side) == ("slower", "")
    assert "which side it is, is not known: the loader alone takes x" in found.sentence
    assert "more pairs would tell" in found.sentence


def test_nothing_moved_and_not_known_are_told_apart() -> None:
    assert regression_of(triple(1.0, 1.0, 1.0), 1.0, 1.0).kind == "same"
    noisy = triple(1.0, 1.0, 1.0) | {"loader": judged(1.0, spread=0.5)}
    found = regression_of(noisy, 1.0, 1.0)
    assert found.kind == "unsure"
    assert "more pairs would tell" in found.sentence
    doubtful = triple(1.0, 1.0, 1.0) | {"step": verdicts([Pairs((0.1,) * 8, doubt="the loader failed")])[0]}
    assert regression_of(doubtful, 1.0, 1.0).sentence == "INVALID: the loader failed"


@pytest.mark.parametrize("pairs", [(), (0.1,)])
def test_without_an_interval_none_is_shown(pairs: tuple[float, ...]) -> None:
    nothing = verdicts([Pairs(pairs)])[0]
    found = regression_of({"full": nothing, "loader": nothing, "step": nothing}, 1.0, 1.0)
    assert found.kind == "unsure"
    assert "(0" not in found.sentence


def parts(**costs: float) -> tuple[StagePart, ...]:
    return tuple(StagePart((stage,), Estimate(costs[stage], None)) for stage in STAGES if stage in costs)


def test_the_stage_that_moved_most_beyond_its_interval_is_named() -> None:
    then = [parts(decode=0.010, copy=0.020), parts(decode=0.0101, copy=0.040), parts(decode=0.0099, copy=0.001)]
    now = [parts(decode=0.0151, copy=0.060), parts(decode=0.015, copy=0.020), parts(decode=0.0149, copy=0.050)]
    stage = largest_change(list(zip(now, then, strict=True)), slower=True)
    assert stage is not None
    assert stage.name == "decode"
    assert stage.cost.mean == pytest.approx(0.005)
    assert describe_stage(stage) == "it is decoding: 5 ms +-0.248 ms a batch more"
    assert (
        describe_stage(largest_change(list(zip(then, now, strict=True)), slower=False))
        == "it is decoding: 5 ms +-0.248 ms a batch less"
    )


def test_what_drifts_for_both_sides_of_a_pair_cancels() -> None:
    pairs = [(parts(decode=pace * 0.0105), parts(decode=pace * 0.010)) for pace in (1.0, 1.02, 1.5, 2.0)]

    assert describe_stage(largest_change(pairs, slower=True)).startswith("it is decoding: ")


def test_a_stage_that_moved_the_other_way_than_the_loader_is_not_named() -> None:
    then = [parts(decode=0.010, copy=0.0200 + 1e-5 * n) for n in range(4)]
    now = [parts(decode=0.006, copy=0.0205 + 2e-5 * n) for n in range(4)]
    stage = largest_change(list(zip(now, then, strict=True)), slower=True)
    assert describe_stage(stage).startswith("it is bringing batches to the step (copies, wider dtypes): 0.515 ms")
    falling = [(parts(decode=0.006), parts(decode=0.010))] * 4
    assert describe_stage(largest_change(falling, slower=True)) == "no stage of loading could be told from the others"


def test_a_stage_that_may_be_noise_is_only_likely() -> None:
    assert describe_stage(largest_change([], slower=True)) == "no stage of loading could be told from the others"
    noisy = largest_change(
        [(parts(decode=0.012), parts(decode=0.010)), (parts(decode=0.009), parts(decode=0.010))], slower=True
    )
    assert describe_stage(noisy) == (
        "most likely it is decoding (0.5 ms +-19.1 ms a batch more): more replicates (--replicates) may tell"
    )
    joint: tuple[Stage, ...] = ("decode", "read warm")
    now, then = (StagePart(joint, Estimate(cost_s, None)) for cost_s in (0.02, 0.01))
    once = largest_change([([now], [then])], slower=True)
    assert describe_stage(once).startswith(
        "most likely it is decoding + reading from the page cache (10 ms a batch more): "
    )


def test_what_nothing_hides_is_no_secret_although_both_together_are_not_told_yet() -> None:
    unsure = {"full": judged(0.95, spread=0.2), "loader": judged(0.93)}
    found = regression_of(unsure, step_s=3e-6, loader_s=0.0016)

    assert (found.kind, found.side) == ("slower", "loader")
    assert "and nothing hides it (both together takes" in found.sentence


def test_what_a_side_gained_is_a_gain_where_nothing_hides_it_and_not_beside_a_longer_one() -> None:
    unsure = {"full": judged(3.5, spread=3.0), "loader": judged(3.4)}
    found = regression_of(unsure, step_s=3e-6, loader_s=0.0016)
    assert (found.kind, found.side) == ("faster", "loader")
    assert found.sentence.startswith("FASTER: the loader alone takes x0.294")

    assert regression_of(unsure, step_s=0.02, loader_s=0.0016).kind == "unsure"
    told = {"full": judged(1.0), "loader": judged(3.4)}
    assert regression_of(told, step_s=3e-6, loader_s=0.0016).kind == "same"

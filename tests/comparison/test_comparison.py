from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from feedrate.comparison.comparison import ORDER
from feedrate.comparison.paired_test import ALPHA, DRIFT, ComparisonVerdict, Pairs, looks, verdicts

Values = NDArray[np.float64]
RECORDED = json.loads(Path(__file__).with_name("noise.json").read_text())
NOISE: dict[str, list[float]] = RECORDED["log_s"]
BLOCKS = 16


def only(pairs: Pairs) -> ComparisonVerdict:
    (found,) = verdicts([pairs])
    return found


def around(mean: float, spread: float, count: int) -> tuple[float, ...]:
    """So many values with exactly that mean, alternating by `spread` to either side."""
    return tuple(mean + spread * (-1) ** number for number in range(count))


def test_looks_double_and_end_with_the_last_pair() -> None:
    assert [looks(most) for most in (4, 8, 10, 32)] == [(4,), (4, 8), (4, 8, 10), (4, 8, 16, 32)]


def test_the_interval_is_students_at_the_level_that_all_looks_share() -> None:
    pairs = Pairs((1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0), most=8)

    assert pairs.confidence == 0.98
    assert pairs.speedup.mean == 4.5
    # s = sqrt(6); t(0.99; 7) = 2.998, tabled.
    assert pairs.speedup.half == pytest.approx(2.998 * math.sqrt(6 / 8), abs=1e-3)


@pytest.mark.parametrize(
    ("mean", "spread", "word"),
    [
        (0.3, 0.02, "FASTER"),
        (-0.3, 0.02, "SLOWER"),
        (0.001, 0.002, "SAME"),
        (0.0, 0.3, "UNSURE"),
        (0.03, 0.1, "UNSURE"),
    ],
)
def test_the_verdict_follows_from_the_interval(mean: float, spread: float, word: str) -> None:
    assert only(Pairs(around(mean, spread, 8))).word == word


def test_a_real_difference_within_the_margin_is_the_same() -> None:
    assert only(Pairs(around(0.01, 0.001, 8), margin=0.02)).word == "SAME"


def test_the_interval_is_of_the_factor_between_the_speeds() -> None:
    found = only(Pairs(around(math.log(1.3), 0.01, 8)))

    assert found.factor == pytest.approx(1.3)
    assert found.low < 1.3 < found.high
    assert found.low * found.high == pytest.approx(1.3**2)


def test_p_is_the_error_rate_at_which_the_interval_would_touch_none() -> None:
    pairs = Pairs(around(0.1, 0.15, 8))
    touching = Pairs(tuple(ratio - pairs.speedup.low for ratio in pairs.ratios))

    assert touching.p == pytest.approx(ALPHA)
    assert pairs.p < 1


def test_the_smallest_effect_is_seen_nine_times_in_ten() -> None:
    pairs = Pairs(around(0, 0.1, 4000), most=4)

    # z(0.98) + z(0.9) = 2.054 + 1.282, tabled; of one look.
    assert pairs.spread is not None
    assert pairs.smallest_effect == pytest.approx(3.336 * pairs.spread / math.sqrt(4000), rel=0.002)


@pytest.mark.parametrize("mean", [0.0, 0.004, 0.015, 0.05])
def test_the_pairs_that_are_asked_for_decide(mean: float) -> None:
    pairs = Pairs(around(mean, 0.1, 8))
    assert only(pairs).word == "UNSURE"
    more = pairs.more()
    assert more is not None

    assert only(replace(pairs, ratios=around(mean, 0.1, 8 + more))).word == ("FASTER" if mean > 0.01 else "SAME")
    assert f"about {more} more pairs" in only(pairs).reason


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_fewer_pairs_than_the_first_look_decide_nothing_and_ask_for_it(count: int) -> None:
    found = only(Pairs((0.1, 0.2, 0.3)[:count]))

    assert found.word == "UNSURE"
    assert (found.pairs.more() or 0) + count >= 4


def test_pairs_that_agree_to_the_last_bit_need_no_spread() -> None:
    assert [only(Pairs((mean,) * 4)).word for mean in (0.0, 0.1)] == ["SAME", "FASTER"]


def test_a_doubt_outweighs_every_number() -> None:
    found = only(Pairs(around(0.5, 0.01, 8), doubt="the disk was full"))

    assert (found.word, found.reason) == ("INVALID", "the disk was full")


def test_a_control_that_goes_away_makes_it_invalid_and_says_by_how_much() -> None:
    controls = tuple(-5 + 0.1 * number for number in range(8))
    found = only(Pairs(around(0.5, 0.01, 16), controls))

    assert found.word == "INVALID"
    assert "x2.01 slower" in found.reason


def test_a_control_that_only_scatters_is_no_doubt() -> None:
    assert only(Pairs(around(0.5, 0.01, 16), around(-5, DRIFT, 8))).word == "FASTER"


@pytest.mark.slow
def test_of_many_comparisons_of_the_same_one_lucky_one_is_no_discovery() -> None:
    lucky = Pairs(around(0.1, 0.07, 8))
    none = [Pairs(around(0.001 * number, 0.2, 8)) for number in range(20)]

    assert only(lucky).word == "FASTER"
    among = verdicts([*none, lucky])[-1]
    assert among.word == "UNSURE"
    assert among.p > ALPHA
    assert "among 21 comparisons" in among.reason


def test_what_is_plain_stays_plain_among_many() -> None:
    plain = Pairs(around(0.3, 0.02, 8))
    none = [Pairs(around(0.0, 0.2, 8)) for _ in range(20)]

    assert verdicts([*none, plain, Pairs((), doubt="it failed")])[-2].word == "FASTER"


def stretches(recorded: list[float], keep: int, drift: float, count: int) -> Iterator[Values]:
    """Yield (BLOCKS, 5) log-times of one thing: runs of `keep` recorded neighbours, and a steady change by `drift`."""
    draws = np.random.default_rng(5)
    noise, slots = np.array(recorded), BLOCKS * len(ORDER)
    for _ in range(count):
        starts = draws.integers(len(noise), size=-(-slots // keep))
        places = (starts[:, None] + np.arange(keep)).ravel()[:slots] % len(noise)
        yield (noise[places] + np.linspace(0, drift, slots)).reshape(BLOCKS, len(ORDER))


def sequential(blocks: Values) -> ComparisonVerdict:
    """The judgement that ends a comparison of at most 32 pairs. The control's warning is left out: it would help."""
    _, first_a, first_b, last_b, last_a = blocks.T
    return looked_at(Pairs(tuple(map(float, np.stack([first_b - first_a, last_b - last_a], axis=1).ravel()))))


def looked_at(pairs: Pairs) -> ComparisonVerdict:
    for count in looks(pairs.most):
        found = only(replace(pairs, ratios=pairs.ratios[:count]))
        if found.decided:
            break
    return found


def one_after_the_other(blocks: Values) -> ComparisonVerdict:
    """The same processes as if all of A had been run, and then all of B."""
    times = blocks[:, 1:].ravel()
    return only(Pairs(tuple(map(float, times[len(times) // 2 :] - times[: len(times) // 2])), most=4))


def alarms(judgements: Iterator[ComparisonVerdict]) -> float:
    words = [found.word for found in judgements]
    return sum(word in ("FASTER", "SLOWER") for word in words) / len(words)


@pytest.mark.slow
@pytest.mark.parametrize("keep", [1, 2, 10])
@pytest.mark.parametrize("cell", NOISE)
def test_a_thing_beside_itself_alarms_at_most_one_time_in_twenty(cell: str, keep: int) -> None:
    assert alarms(map(sequential, stretches(NOISE[cell], keep, 0.3, 1000))) <= ALPHA


@pytest.mark.parametrize("cell", NOISE)
def test_without_blocks_the_same_noise_alarms_much_more_often(cell: str) -> None:
    assert alarms(map(one_after_the_other, stretches(NOISE[cell], 20, 0.3, 200))) > 4 * ALPHA


@pytest.mark.parametrize("cell", NOISE)
def test_a_difference_well_above_the_smallest_that_can_be_seen_is_seen(cell: str) -> None:
    faster = np.array([0, 0, 1, 1, 0])
    found = [sequential(blocks + faster) for blocks in stretches(NOISE[cell], 5, 0.0, 100)]

    assert sum(one.word == "FASTER" for one in found) >= 95
    assert not any(one.word == "SLOWER" for one in found)


@pytest.mark.slow
def test_a_decode_that_is_5_per_cent_slower_is_found_within_128_pairs_of_a_quiet_machine() -> None:
    quiet = np.array(RECORDED["quiet_log_ratios"])
    draws = np.random.default_rng(3)
    planted = draws.choice(quiet, (300, 128)) - np.log(1.05)
    found = [looked_at(Pairs(tuple(map(float, ratios)), most=128)) for ratios in planted]

    assert quiet.std() > 0.1
    assert sum(one.word == "SLOWER" for one in found) >= 285
    assert 16 < np.median([len(one.pairs.ratios) for one in found]) <= 64

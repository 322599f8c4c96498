"""How a comparison goes on and ends, on measurements made up for it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from feedrate.comparison.comparison import ComparedRun, Comparison, StoppingRule, Variant, run_rounds
from feedrate.comparison.paired_test import ComparisonVerdict, looks
from feedrate.records.conditions import Conditions
from feedrate.records.measurement import Measurement, Outcome
from feedrate.report.comparison import document, interval, sentence, show
from feedrate.report.console import console
from feedrate.runner.forkserver import ForkServer
from tests.support.outcomes import failure, measurement

NAMES = {"a": "boardmoves/small/threads/fp32/cpu", "b": "boardmoves/small/inline/fp32/cpu"}
CONTROL = "boardmoves/small/resident/fp32/cpu"


def alternating(low: float, high: float) -> Callable[[], float]:
    """Milliseconds that go to and fro."""
    turns = iter([low, high] * 1000)
    return lambda: next(turns)


def always(ms: float) -> Callable[[], float]:
    return lambda: ms


def side(cell: str, ms: Callable[[], float], code: str = "") -> Variant:
    return Variant(cell, code, lambda _: measurement(cell, full_ms=ms()))


def duel(a: Callable[[], float], b: Callable[[], float], limits: StoppingRule) -> Comparison:
    return Comparison(side(NAMES["a"], a), side(NAMES["b"], b), side(CONTROL, always(10.0)), limits)


@contextmanager
def fork_server() -> Iterator[ForkServer]:
    yield ForkServer(Path("nowhere"))


def silent(duel: Comparison, ran: ComparedRun, still: Sequence[Comparison]) -> None:
    del duel, ran, still


def last(duels: Sequence[Comparison], limits: StoppingRule) -> tuple[ComparisonVerdict, ...]:
    """The judgements that a comparison ends with."""
    opened: Callable[[], AbstractContextManager[ForkServer]] = fork_server
    return list(run_rounds(duels, limits, opened, silent))[-1]


def test_an_interrupt_while_a_process_is_written_down_leaves_it_in_the_comparison() -> None:
    def interrupted(outcome: object) -> None:
        raise KeyboardInterrupt

    comparison = duel(always(10.0), always(10.0), StoppingRule(pairs=4))
    comparison = replace(comparison, a=replace(comparison.a, keep=interrupted))

    with pytest.raises(KeyboardInterrupt):
        last([comparison], StoppingRule(pairs=4))

    assert [run.role for run in comparison.runs] == ["control", "a"]


def test_a_block_is_the_control_then_a_b_b_a() -> None:
    limits = StoppingRule(pairs=4)
    one = duel(always(10), always(20), limits)
    last([one], limits)

    assert [ran.role for ran in one.runs[:5]] == ["control", "a", "b", "b", "a"]


def test_a_plain_difference_ends_at_the_first_look() -> None:
    limits = StoppingRule()
    (found,) = last([duel(alternating(10, 10.1), always(20), limits)], limits)

    assert (found.word, len(found.pairs.ratios)) == ("FASTER", looks(limits.pairs)[0])


def test_nothing_ends_between_looks() -> None:
    limits = StoppingRule(pairs=32)
    # Of pairs that differ by nothing, then by much: before the look at eight the difference is plain already.
    slow = iter([20.0, 30.0] * 2 + [20.0, 20.2] * 100)
    (found,) = last([duel(always(20), slow.__next__, limits)], limits)

    assert len(found.pairs.ratios) in looks(limits.pairs)


def test_what_stays_open_ends_with_the_pairs_that_were_planned() -> None:
    limits = StoppingRule(pairs=10)
    (found,) = last([duel(alternating(10, 20), alternating(14, 13), limits)], limits)

    assert (found.word, len(found.pairs.ratios)) == ("UNSURE", 10)


@pytest.mark.parametrize(
    ("moved", "pairs"), [({"loader_ms": 24.0}, 4), ({"loader_ms": 6.0}, 16), ({}, 16)], ids=["so", "not so", "no side"]
)
def test_it_goes_on_while_a_side_is_open_unless_the_other_explains_the_change(
    moved: dict[str, float], pairs: int
) -> None:
    limits = StoppingRule(pairs=16, also=("loader", "step"))
    steps = iter([8.0, 13.0] * 100)

    def run(cell: str, full_ms: float, loader_ms: float = 12.0) -> Variant:
        return Variant(cell, "", lambda _: measurement(cell, full_ms=full_ms, loader_ms=loader_ms, step_ms=next(steps)))

    steady = Variant(CONTROL, "", lambda _: measurement(CONTROL))
    comparison = Comparison(run(NAMES["a"], 20.0), run(NAMES["b"], 40.0, **moved), steady, limits)
    last([comparison], limits)

    assert len(comparison.pairs.ratios) == pairs
    words = {metric: verdict.word for metric, verdict in comparison.judgements.items()}
    assert (words["full"], words["step"]) == ("FASTER", "UNSURE")


def test_a_spent_budget_ends_it_after_a_whole_block() -> None:
    limits = StoppingRule(budget_s=0)
    (found,) = last([duel(always(10), always(20), limits)], limits)

    assert len(found.pairs.ratios) == 2


def test_a_failure_closes_its_duel_and_no_other() -> None:
    limits = StoppingRule(pairs=8)
    whole = duel(alternating(10, 20), alternating(14, 13), limits)
    broken = replace(whole, b=Variant(NAMES["b"], "", lambda _: failure(NAMES["b"])), runs=[])
    good, bad = last([whole, broken], limits)

    assert (good.word, len(good.pairs.ratios)) == ("UNSURE", 8)
    assert bad.word == "INVALID"
    assert NAMES["b"] in bad.reason
    assert len(broken.runs) == 3


def test_sides_of_which_one_was_read_cold_are_not_comparable() -> None:
    limits = StoppingRule(pairs=4)
    one = duel(always(10), always(20), limits)
    cold = Variant(NAMES["b"], "", lambda _: replace(measurement(NAMES["b"], full_ms=20), page_cache="cold"))
    (found,) = last([replace(one, b=cold)], limits)

    assert found.word == "INVALID"
    assert "warm for one and cold for the other" in found.reason


def disturbed(cell: str, full_ms: float, times: Sequence[int]) -> Variant:
    """A side of which the processes of these numbers were measured while the machine swapped."""
    numbers = iter(range(1000))

    def measure(_: ForkServer) -> Measurement:
        swapped = 9_999 if next(numbers) in times else 0
        busy = Conditions(2.0, 8, own_core_s=3.0, all_core_s=3.1, stolen_core_s=0.0, swapped_pages=swapped)
        return measurement(cell, full_ms=full_ms * (100 if swapped else 1), conditions=busy)

    return Variant(cell, "", measure)


def test_a_pair_with_a_doubtful_process_is_left_out() -> None:
    limits = StoppingRule(pairs=8)
    one = replace(duel(always(10), always(20), limits), a=disturbed(NAMES["a"], 10, [1]), runs=[])
    (judgement,) = last([one], limits)

    assert (judgement.word, len(judgement.pairs.ratios)) == ("FASTER", 7)
    assert judgement.factor == pytest.approx(2)
    assert "1 pair is left out as doubtful: the machine swapped" in shown([one], [judgement])
    assert document(one, judgement)["doubtful_pairs"] == 1


def test_a_comparison_of_mostly_doubtful_pairs_is_invalid_with_the_reason() -> None:
    limits = StoppingRule(pairs=8)
    one = replace(duel(always(10), always(20), limits), b=disturbed(NAMES["b"], 20, [0, 2, 3]), runs=[])
    (judgement,) = last([one], limits)

    assert judgement.word == "INVALID"
    assert judgement.reason.startswith("3 of 4 pairs are doubtful: the machine swapped")


def test_the_metric_is_the_one_that_was_asked_for() -> None:
    limits = StoppingRule(metric="loader", pairs=4)
    (found,) = last([duel(always(10), always(20), limits)], limits)

    assert found.word == "SAME"


def test_one_lucky_comparison_among_many_goes_on() -> None:
    limits = StoppingRule(pairs=8)
    lucky = duel(alternating(10, 10.9), always(11.2), limits)
    others = [duel(alternating(10, 20), alternating(14, 13), limits) for _ in range(12)]
    (alone,) = last([replace(lucky, a=side(NAMES["a"], alternating(10, 10.9)), runs=[])], limits)

    assert alone.word == "FASTER"
    assert last([*others, lucky], limits)[-1].word == "UNSURE"


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        (alternating(10, 10.1), always(20), "threads is FASTER than inline: x1.99 (1.9"),
        (always(20), alternating(10, 10.1), "threads is SLOWER than inline: x0.502 (0.4"),
        (always(10), always(10), "threads is the SAME as inline within 2.0 %: x1.000 (1.000-1.000)"),
        (alternating(10, 20), alternating(14, 13), "UNSURE whether threads is faster or slower than inline: x0.9"),
    ],
)
def test_the_sentence_comes_first_and_holds_the_numbers(
    a: Callable[[], float], b: Callable[[], float], said: str
) -> None:
    limits = StoppingRule(pairs=4)
    one = duel(a, b, limits)
    found = last([one], limits)
    told = shown([one], found)

    assert told.startswith(said)
    assert told.splitlines()[0] == sentence(one, found[0])
    assert "from 4 pairs; " in told.splitlines()[0]
    assert "smallest effect it could see" in told.splitlines()[0]


def test_several_comparisons_are_a_table_of_adjusted_chances() -> None:
    limits = StoppingRule(pairs=4)
    duels = [duel(always(10), alternating(20, 20.5), limits), duel(alternating(10, 20), alternating(14, 13), limits)]
    told = shown(duels, last(duels, limits))

    (faster,) = (line for line in told.splitlines() if line.startswith("FASTER"))
    assert "boardmoves/small/threads/fp32/cpu  boardmoves/small/inline/fp32/cpu" in faster
    assert "p is adjusted for all of them" in told


def test_commits_are_told_apart_by_their_names() -> None:
    limits = StoppingRule(pairs=4)
    main, head = (side(NAMES["a"], always(10), code) for code in ("main", "HEAD"))
    one = Comparison(main, head, side(CONTROL, always(10)), limits)

    assert sentence(one, last([one], limits)[0]).startswith("@main is the SAME as @HEAD")


def test_the_document_holds_the_pairs_and_no_number_that_was_not_measured() -> None:
    limits = StoppingRule(pairs=4)
    one = duel(always(10), always(20), limits)
    before = document(one, ComparisonVerdict("UNSURE", "", one.pairs, 1.0))
    found = document(one, last([one], limits)[0])

    assert [before[key] for key in ("speedup", "speedup_low", "smallest_effect")] == [None] * 3
    assert found["speedup"] == pytest.approx(2)
    assert found["log_ratios"] == pytest.approx([0.6931] * 4, abs=1e-4)
    assert interval(last([one], limits)[0]) == "x2.000 (2.000-2.000)"


def shown(duels: Sequence[Comparison], judgements: Sequence[ComparisonVerdict]) -> str:
    file = io.StringIO()
    show(console(file), duels, judgements)
    return file.getvalue()


@dataclass
class Measuring:
    """A replicate that has ended already."""

    result: Outcome
    is_running: bool = False

    def outcome(self) -> Outcome:
        return self.result

    def end(self) -> None:
        raise AssertionError("it has ended")


def by_turns(variant: Variant, begun: list[Path], result: Outcome) -> Variant:
    def begin(_: ForkServer, socket: Path) -> Measuring:
        begun.append(socket)
        return Measuring(result)

    return replace(variant, begin=begin, measure=lambda _: failure(variant.cell, reason="it is not to measure alone"))


@pytest.mark.process
def test_the_two_of_a_pair_measure_by_turns_where_both_can() -> None:
    limits, begun = StoppingRule(pairs=4), list[Path]()
    plain = duel(always(10), always(20), limits)
    both = replace(
        plain,
        a=by_turns(plain.a, begun, measurement(NAMES["a"], full_ms=10.0)),
        b=by_turns(plain.b, begun, measurement(NAMES["b"], full_ms=20.0)),
    )
    (judgement,) = last([both], limits)

    assert judgement.word == "FASTER"
    assert [run.role for run in both.runs] == ["control", "a", "b", "b", "a"] * 2
    # Two places of one turnstile, and another one for each pair.
    assert [socket.name for socket in begun] == ["turn0", "turn1"] * 4
    assert len({socket.parent for socket in begun}) == 4


@pytest.mark.process
def test_a_pair_is_measured_one_after_the_other_where_one_cannot_or_writes_its_data_otherwise() -> None:
    limits, begun = StoppingRule(pairs=4), list[Path]()
    plain = duel(always(10), always(20), limits)
    able = [by_turns(side, begun, measurement(side.cell)) for side in (plain.a, plain.b)]
    able = [replace(side, measure=alone.measure) for side, alone in zip(able, (plain.a, plain.b), strict=True)]

    for a, b in ((able[0], plain.b), (able[0], replace(able[1], writer="other"))):
        (judgement,) = last([replace(plain, a=a, b=b, runs=[])], limits)
        assert judgement.word == "FASTER"
    assert begun == []


@pytest.mark.process
def test_when_one_of_a_pair_fails_the_other_is_kept_and_the_round_ends() -> None:
    limits, begun = StoppingRule(pairs=4), list[Path]()
    plain = duel(always(10), always(20), limits)
    a, b = by_turns(plain.a, begun, failure(NAMES["a"])), by_turns(plain.b, begun, measurement(NAMES["b"]))
    broken = replace(plain, a=a, b=b)
    (judgement,) = last([broken], limits)

    assert judgement.word == "INVALID"
    assert [run.role for run in broken.runs] == ["control", "a", "b"]


@pytest.mark.process
def test_two_that_do_not_fit_into_memory_together_are_measured_one_after_the_other() -> None:
    limits, begun = StoppingRule(pairs=4), list[Path]()
    plain = duel(always(10), always(20), limits)
    a = by_turns(plain.a, begun, failure(NAMES["a"], why="out of memory"))
    b = by_turns(plain.b, begun, measurement(NAMES["b"]))
    large = replace(plain, a=replace(a, measure=plain.a.measure), b=replace(b, measure=plain.b.measure), runs=[])
    (judgement,) = last([large], limits)

    assert (judgement.word, large.failures) == ("FASTER", [])
    assert len(begun) == 2
    assert [run.role for run in large.runs] == ["control", "a", "b", "b", "a"] * 2

"""Changes of a study on measurements made up for it: what holds, what each contributed, what it could gain at most."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable

import pytest

from feedrate.comparison.claim import Claim
from feedrate.comparison.comparison import Comparison, StoppingRule, Variant
from feedrate.comparison.study import JudgedChange, TriedChange, judged, together, waterfall
from feedrate.report.console import console
from feedrate.report.study import show
from feedrate.report.study_markdown import page
from feedrate.report.study_words import document
from tests.comparison.test_blocks import alternating, always, last
from tests.support.outcomes import failure, measurement

INLINE, THREADS = "boardmoves/small/inline/fp32/cpu", "boardmoves/small/threads/fp32/cpu"
BF16, CONTROL = "boardmoves/small/threads/bf16/cpu", "boardmoves/small/resident/fp32/cpu"
LIMITS = StoppingRule(pairs=4)


def ran(
    a: str, b: str, a_ms: Callable[[], float], b_ms: Callable[[], float], rule: StoppingRule = LIMITS
) -> Comparison:
    """A comparison of two cells that has come to its end; loader alone 12 ms, step alone 10 ms a batch."""

    def side(cell: str, ms: Callable[[], float]) -> Variant:
        return Variant(cell, "", lambda _: measurement(cell, full_ms=ms()))

    comparison = Comparison(side(a, a_ms), side(b, b_ms), side(CONTROL, always(10)), rule)
    last([comparison], rule)
    return comparison


def change(
    name: str, comparison: Comparison | None, claim: str = "", *, builds: bool = True, lacking: str = ""
) -> TriedChange:
    cells = (comparison.a.cell, comparison.b.cell) if comparison else (BF16, THREADS)
    return TriedChange(name, *cells, Claim.parse(claim) if claim else None, comparison, lacking, builds)


@pytest.fixture(scope="module")
def changes() -> tuple[JudgedChange, ...]:
    """One twice as fast, one that changes nothing, one that cannot run, one that is slower, one that is open."""
    around = alternating(9.95, 10.05)
    return judged(
        [
            change("threads", ran(THREADS, INLINE, alternating(9.9, 10.1), always(20)), "x3"),
            change("the same | again", ran(THREADS, THREADS, alternating(9.995, 10.005), always(10)), "+10-30 %"),
            change("tensor cores", None, "x2", lacking="needs a CUDA device"),
            change("bf16", ran(BF16, THREADS, alternating(19.9, 20.1), around)),
            change("unclear", ran(BF16, THREADS, alternating(5, 20), always(10)), builds=False),
        ]
    )


def test_what_is_faster_is_kept_and_what_is_the_same_or_slower_is_ruled_out(changes: tuple[JudgedChange, ...]) -> None:
    assert [each.standing for each in changes] == ["kept", "ruled out", "not tried", "ruled out", "open"]


def test_what_changes_take_away_adds_up_to_the_base(changes: tuple[JudgedChange, ...]) -> None:
    threads, others = waterfall(changes)

    assert threads.share == pytest.approx(0.5, abs=0.01)
    assert threads.left == pytest.approx(0.5, abs=0.01)
    assert others.name == "all others"
    assert others.share == pytest.approx(-0.5, abs=0.02)
    total = together(changes)
    assert total is not None
    assert threads.share + others.share + others.left == pytest.approx(1)
    assert others.left == pytest.approx(math.exp(-total.mean))


def test_a_change_that_stands_beside_the_others_is_no_part_of_what_all_give(changes: tuple[JudgedChange, ...]) -> None:
    beside = judged([change("threads", ran(THREADS, INLINE, alternating(9.9, 10.1), always(20)), builds=False)])

    assert waterfall(beside) == ()
    assert together(beside) is None
    assert together(changes) is not None


def test_a_loader_can_gain_no_more_than_it_takes_and_a_step_likewise(changes: tuple[JudgedChange, ...]) -> None:
    threads, same, tensor_cores, bf16, _ = changes

    assert threads.side == "loader"
    assert threads.bound == pytest.approx(20 / 10)
    assert (same.side, same.bound) == (None, None)
    assert (tensor_cores.side, tensor_cores.bound) == (None, None)
    # 10 ms together and 12 of loading: no step gains anything.
    assert (bf16.side, bf16.bound) == ("step", 1.0)


def test_a_time_of_one_side_alone_has_no_bound() -> None:
    (alone,) = judged(
        [change("threads", ran(THREADS, INLINE, always(10), always(20), StoppingRule(metric="loader", pairs=4)))]
    )

    assert alone.bound is None


def test_the_terminal_says_all_of_it(changes: tuple[JudgedChange, ...]) -> None:
    said = io.StringIO()
    show(console(said), "A study", INLINE, changes, explain=True)
    text = said.getvalue()

    assert "x3: less than claimed" in text
    assert "x2.00, below the claim" in text
    assert "the same | again: no effect, margin 2.0 %: x1.000" in text
    assert "bf16: slower: x0.5" in text
    assert "unclear: not told: " in text
    assert "tensor cores: needs a CUDA device" in text
    assert "; 1 of 4 that were tried hold" in text


def test_a_page_can_be_pasted(changes: tuple[JudgedChange, ...]) -> None:
    text = page("A study", "About it.", INLINE, LIMITS, changes)

    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + len(changes)
    assert len({line.replace("\\|", "").count("|") for line in rows}) == 1
    assert "| 1 | threads | `inline -> threads` | x3: less than claimed |" in text
    assert "- the same | again: no effect, margin 2.0 %" in text
    assert "## Ruled out" in text
    assert "## Open, what could gain most first" in text
    assert "## Not tried here\n\n- tensor cores: needs a CUDA device" in text


def test_documents_are_json_and_say_how_claims_fared(changes: tuple[JudgedChange, ...]) -> None:
    told = json.loads(json.dumps([document(each) for each in changes], allow_nan=False))

    assert [each["beside_claim"] for each in told] == ["less than claimed", "less than claimed", None, None, None]
    assert [each["comparison"] is None for each in told] == [False, False, True, False, False]


def test_a_comparison_that_failed_leaves_its_change_open() -> None:
    comparison = ran(THREADS, INLINE, always(10), always(20))
    comparison.runs.append(type(comparison.runs[0])("a", failure(THREADS)))

    (failed,) = judged([change("threads", comparison, "x2")])

    assert failed.standing == "open"
    assert not failed.is_judged
    said = io.StringIO()
    show(console(said), "A study", INLINE, [failed])
    assert "threads: no verdict: " in said.getvalue()


def test_a_study_that_tried_nothing_yet_is_shown() -> None:
    said = io.StringIO()
    show(console(said), "A study", INLINE, [])

    assert said.getvalue().startswith(f"A study\nbegins with {INLINE}\n")
    assert page("A study", "", INLINE, LIMITS, []).startswith("# A study\n")

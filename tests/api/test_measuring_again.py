"""What is doubtful is measured once more at the end, within its time, and what then counts; nothing runs here."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from feedrate.api.session import Session
from feedrate.api.settings import Caller
from feedrate.cli.bench_again import affordable, doubtful_cells
from feedrate.records.conditions import Conditions
from feedrate.records.measurement import Measurement, Outcome
from feedrate.records.raw_results import read
from feedrate.records.validity import without_superseded
from feedrate.report.console import console
from feedrate.report.rendered import as_text
from feedrate.report.table import show
from feedrate.runner.schedule import Run
from tests.support.outcomes import failure, measurement

BUSY = Conditions(2.0, 8, own_core_s=3.0, all_core_s=3.1, stolen_core_s=0.0, swapped_pages=9_999)
FIRST, SECOND, THIRD = (f"boardmoves/small/{loader}/fp32/cpu" for loader in ("inline", "threads", "workers"))


def doubtful(cell: str, full_ms: float = 30.0, replicate: int = 0) -> Measurement:
    return measurement(cell, full_ms=full_ms, replicate=replicate, conditions=BUSY)


def opened(folder: Path, measure: Callable[[str, int], Outcome], *before: Outcome) -> tuple[Session, io.StringIO]:
    """A session that has measured these, and measures at once."""
    told = io.StringIO()
    session = Session(
        results=folder, quiet=False, caller=Caller(console(told), {}, "20260102T030405-abcd", prefix="--")
    )
    session.resources.run = Run("20260102T030405-abcd", "now", {}, measure)
    for outcome in before:
        session.resources.keep(outcome)
    return session, told


def test_each_doubtful_replicate_is_measured_once_more_and_both_lines_stay(tmp_path: Path) -> None:
    asked: list[tuple[str, int]] = []

    def measure(cell: str, replicate: int) -> Outcome:
        asked.append((cell, replicate))
        return measurement(cell, full_ms=25.0, replicate=replicate) if cell == FIRST else doubtful(cell, 60.0)

    session, told = opened(tmp_path, measure, doubtful(FIRST, replicate=1), measurement(SECOND), doubtful(THIRD))
    again = list(session.measure_doubtful_again())

    assert asked == [(FIRST, 1), (THIRD, 0)]
    assert [outcome.cell for outcome in again] == [FIRST, THIRD]
    assert told.getvalue().startswith(
        "feedrate: 2 replicates are doubtful; each is measured once more, for 2 min at most in all\n"
    )
    assert session.raw is not None
    assert [outcome.cell for outcome in read(session.raw)] == [FIRST, SECOND, THIRD, FIRST, THIRD]
    table = {line.split()[1]: line.split()[2:4] for line in str(session.results).splitlines() if line[:5] == "fp32 "}
    assert table["inline"] == ["10,240", "-"], "the second, which is not doubtful"
    assert table["workers"] == ["?", "8,533"], "the first, as the second is doubtful, too"


def test_where_nothing_is_doubtful_nothing_is_said_or_measured(tmp_path: Path) -> None:
    session, told = opened(tmp_path, lambda cell, replicate: pytest.fail(cell), measurement(FIRST), failure(SECOND))

    assert list(session.measure_doubtful_again()) == []
    assert told.getvalue() == ""


def test_none_is_begun_when_the_time_is_spent(tmp_path: Path) -> None:
    session, _ = opened(tmp_path, lambda cell, replicate: measurement(cell), doubtful(FIRST), doubtful(SECOND))

    assert len(list(session.measure_doubtful_again(limit_s=1e-9))) <= 1


def test_of_replicates_with_one_number_those_count_that_stand() -> None:
    first, second = doubtful(FIRST), measurement(FIRST)
    lost, twice = failure(SECOND), [measurement(THIRD, full_ms=ms) for ms in (1.0, 2.0)]

    assert list(without_superseded([first, lost, second, *twice])) == [lost, second, *twice]
    assert list(without_superseded([first, replace(first, log="again")])) == [first]
    assert list(without_superseded([first, doubtful(FIRST, replicate=1)])) == [first, doubtful(FIRST, replicate=1)]


def test_a_failure_of_the_second_one_takes_the_number_away() -> None:
    text = as_text(lambda target: show(target, [doubtful(FIRST), failure(FIRST)]))

    (line,) = (line.split() for line in text.splitlines() if line.startswith("fp32 "))
    assert line[:3] == ["fp32", "inline", "failed"]
    assert "8,533" not in text


def at(outcome: Outcome, seconds: int) -> Outcome:
    return replace(outcome, started=f"2026-01-02T03:04:{seconds:02}+00:00")


def test_bench_takes_as_many_doubtful_cells_as_fit_by_what_each_took() -> None:
    outcomes = [
        at(doubtful(FIRST), 0), at(measurement(SECOND), 10), at(doubtful(THIRD), 15), at(measurement(THIRD), 35),
    ]  # fmt: skip
    cells = doubtful_cells(outcomes)

    assert cells == (FIRST, THIRD)
    # 10 s, and 20 s with the typical 10 s of what was measured last.
    assert affordable(cells, outcomes, 39.9) == (FIRST,)
    assert affordable(cells, outcomes, 40.0) == cells
    assert affordable(cells, outcomes, 9.9) == ()

"""What a study found shows itself as a table, in HTML, as a page and as a DataFrame; no process is started for it."""

from __future__ import annotations

import json

import pytest

from feedrate.api.study_result import StudyProgress, StudyResult
from feedrate.comparison.comparison import StoppingRule
from feedrate.comparison.study import TriedChange
from tests.comparison.test_blocks import alternating, always
from tests.comparison.test_study import INLINE, THREADS, change, ran


@pytest.fixture(scope="module")
def result() -> StudyResult:
    tried = [
        change("threads", ran(THREADS, INLINE, alternating(9.9, 10.1), always(20)), "x1.5-3"),
        TriedChange("tensor cores", THREADS.replace("fp32", "tf32"), THREADS, None, None, "needs a CUDA device"),
    ]
    return StudyResult.of(StudyProgress("A study", "About it.", INLINE, StoppingRule(pairs=4), tried), None)


def test_changes_are_sorted_by_what_became_of_them(result: StudyResult) -> None:
    assert [each.tried.name for each in result.kept] == ["threads"]
    assert [each.tried.name for each in result.not_tried] == ["tensor cores"]
    assert (result.ruled_out, result.open) == ((), ())
    assert result.together is not None
    assert result.together.low < 2 < result.together.high


def test_a_row_is_a_change(result: StudyResult) -> None:
    rows = result.to_frame()

    assert list(rows["change"]) == ["threads", "tensor cores"]
    assert list(rows["verdict"].dropna()) == ["FASTER"]
    assert rows.loc[0, "speedup"] == pytest.approx(2, rel=0.01)
    assert rows.loc[0, "claim"] == "x1.5-3"
    assert rows.loc[0, "bound"] == pytest.approx(2)
    assert rows.loc[1, "reason"] == "needs a CUDA device"


def test_it_shows_itself_and_is_json(result: StudyResult) -> None:
    assert "x1.5-3: as claimed" in str(result)
    assert "tensor cores: needs a CUDA device" in result._repr_html_()
    assert result.as_markdown().startswith("# A study\n\nAbout it.\n")
    told = json.loads(json.dumps(result.as_json(), allow_nan=False))
    assert told["together"]["speedup"] == pytest.approx(2, rel=0.01)
    assert told["waterfall"][0]["name"] == "threads"


def test_a_study_of_which_nothing_was_tried_yet_is_whole() -> None:
    empty = StudyResult.of(StudyProgress("A study", "", INLINE, StoppingRule()), None)

    assert empty.together is None
    assert empty.as_json()["together"] is None
    assert len(empty.to_frame()) == 0

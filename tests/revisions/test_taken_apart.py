"""Two processes of `feedrate why` take a cell apart by turns, rung by rung."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from feedrate.diagnosis.diagnosis import Diagnosis
from feedrate.records.request import TURNS
from feedrate.revisions.call import Invocation
from feedrate.revisions.commit import SeparateDiagnosis
from feedrate.runner import turnstile
from feedrate.runner.turnstile import by_turns

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

RUNGS = 9 + 5
"""Places of the ladder there and back."""


def begun(folder: Path, cell: str, socket: Path) -> SeparateDiagnosis:
    invocation = Invocation(
        commit="",
        checkout=folder,
        run="test",
        raw=folder / "raw",
        logs=folder / "logs",
        deadline_s=100,
        options=("--data", str(folder / "data"), "--seconds", "0.02"),
        variables={"PYTHONPATH": os.environ.get("PYTHONPATH", ""), TURNS: str(socket)},
    )
    return SeparateDiagnosis.begun(cell, invocation)


def test_each_rung_is_a_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[int] = []
    freeze = turnstile._Place.freeze

    def counted(place: turnstile._Place) -> None:
        waits.append(place.pid)
        freeze(place)

    monkeypatch.setattr(turnstile._Place, "freeze", counted)
    cell = "fxseq/tiny/inline/none/cpu"
    both = by_turns([lambda socket: begun(tmp_path, cell, socket)] * 2)

    for diagnosis in both:
        assert isinstance(diagnosis, Diagnosis)
        ((measurement, ladder),) = diagnosis.replicates
        assert measurement.requested["by_turns"] is True
        assert len(ladder.rungs["R2"].alone) == 2
    # One before anything is built, one a round, one a rung.
    rounds = [diagnosis.replicates[0][0].rounds or 0 for diagnosis in both if diagnosis is not None]
    first, second = sorted(waits.count(pid) for pid in {*waits})
    assert second == 1 + max(rounds) + RUNGS
    assert first == 1 + min(rounds) + RUNGS


def test_one_that_fails_has_no_finding(tmp_path: Path) -> None:
    both = by_turns([lambda socket: begun(tmp_path, "fxseq/tiny/nobody/none/cpu", socket)] * 2)
    assert both == [None, None]

"""What is said of a setting that was advised for a script's DataLoader, and tried."""

from __future__ import annotations

import io
import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from feedrate.api.comparison_result import ComparisonResult
from feedrate.api.diagnosis_result import DiagnosisResult
from feedrate.api.session import Session
from feedrate.api.trying import pasted, trial_statements
from feedrate.comparison.comparison import ComparedRun, Comparison, StoppingRule, Variant
from feedrate.diagnosis.diagnosis import Diagnosis
from feedrate.records.cell_traits import CellTraits, DataLoaderTraits
from feedrate.records.ladder import Ladder
from feedrate.records.measurement import Measurement
from feedrate.records.window import Window
from feedrate.report.console import console
from feedrate.runner.isolation import ReplicateSettings
from feedrate.runner.outcome import Replicate
from feedrate.runner.script_command import OWN, ScriptCommand
from tests.support.outcomes import measurement

SETTING = "dataloader[num_workers=2,persistent_workers=true]"


def tried(ratio: float, spread: float) -> ComparisonResult:
    """Four pairs in which the setting takes such a ratio of the script's time, give or take `spread`."""

    def run(factor: float, number: int) -> Measurement:
        s = factor * (1 + spread * math.sin(number))
        return replace(measurement(), full_windows=(Window(s, 10, 640), Window(s, 10, 640)), rounds=None)

    other, own = (
        Variant(f"train.py/own/{loader}/own/cpu", "", lambda _: measurement()) for loader in (SETTING, "dataloader")
    )
    comparison = Comparison(other, own, own, StoppingRule(pairs=4))
    for number in range(4):
        comparison.runs += [ComparedRun("a", run(ratio, number)), ComparedRun("b", run(1.0, number + 7))]
        comparison.runs.append(ComparedRun("control", measurement()))
    return ComparisonResult.of((comparison,), None)


def test_what_is_to_be_written_is_python() -> None:
    assert pasted(SETTING) == "DataLoader(..., num_workers=2, persistent_workers=True)"


@pytest.mark.parametrize(
    ("ratio", "spread", "words"),
    [
        (0.5, 0.005, "gains: x2.0"),
        (2.0, 0.005, "loses: x0.50"),
        (1.0, 0.001, "changes nothing: x1.00"),
        (0.9, 0.2, "is not told apart: x"),
    ],
)
def test_what_became_of_it_is_said_in_a_line(ratio: float, spread: float, words: str) -> None:
    (statement,) = trial_statements(tried(ratio, spread))

    assert statement.startswith(f"{pasted(SETTING)} {words}")
    assert "the speed of the script as it is, from 4 pairs" in statement
    assert ("more pairs would tell" in statement) == ("told apart" in words)


def test_before_there_is_an_interval_none_is_shown() -> None:
    comparison = replace(tried(0.5, 0.005).comparisons[0])
    comparison.runs[:] = comparison.runs[:6]
    (statement,) = trial_statements(ComparisonResult.of((comparison,), None))
    assert statement == f"{pasted(SETTING)} is not told apart from the script as it is: about 2 more pairs would tell"


def test_each_setting_that_is_advised_is_run_in_pairs_with_the_script_as_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[tuple[str, int]] = []

    def run(command: ScriptCommand, settings: ReplicateSettings, **_: object) -> Replicate:
        asked.append((command.loader, settings.replicate))
        full_ms = (22.0 if command.loader == OWN else 11.0) * (1 + 0.002 * math.sin(settings.replicate))
        number = settings.replicate
        measured = measurement(str(command.cell), replicate=number, full_ms=full_ms, rounds=None)
        return Replicate(measured, Ladder(traits=CellTraits(dataloader=DataLoaderTraits(), cores=2)))

    for place in ("feedrate.diagnosis.diagnosis", "feedrate.runner.script_process"):
        monkeypatch.setattr(f"{place}.run_script", run)
    monkeypatch.chdir(tmp_path)
    with Session(quiet=True) as session:
        result = session.diagnose_command([sys.executable, "train.py"], replicates=1, trial_pairs=4)
        assert session.diagnosis.trials is not None
        assert session.diagnosis.as_json() == result.as_json()
        session.diagnose_command([sys.executable, "train.py"], replicates=1)
        assert session.diagnosis.trials is None

    setting = "dataloader[num_workers=1]"
    assert result.verdict.settings == ("num_workers=1",)
    assert [loader for loader, _ in asked] == [OWN, *[OWN, setting, OWN, OWN, setting] * 2, OWN]
    assert [number for _, number in asked] == [*range(11), 0], "no log is another's"
    assert result.trials is not None
    (statement,) = trial_statements(result.trials)
    assert statement.startswith("DataLoader(..., num_workers=1) gains: x2.00 ")


def test_it_stands_below_the_diagnosis_and_in_its_document() -> None:
    diagnosis = Diagnosis.of([(measurement(), Ladder())])
    printed = io.StringIO()
    result = DiagnosisResult((diagnosis,), None, tried(0.5, 0.005))
    result.show(console(printed))

    assert f"{pasted(SETTING)} gains: x2.0" in printed.getvalue().splitlines()[-1]
    (document,) = result.as_json()
    trials = document["trials"]
    assert isinstance(trials, list)
    assert [(trial["verdict"], trial["pairs"]) for trial in trials] == [("FASTER", 4)]
    assert "trials" not in DiagnosisResult((diagnosis,)).as_json()[0]

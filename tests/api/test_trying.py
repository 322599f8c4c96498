"""What is said of a setting that was advised for a script's DataLoader, and tried."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import pytest

from feedrate.api.comparison_result import ComparisonResult
from feedrate.api.diagnosis_result import DiagnosisResult
from feedrate.api.trying import pasted, trial_statements
from feedrate.comparison.comparison import ComparedRun, Comparison, StoppingRule, Variant
from feedrate.diagnosis.diagnosis import Diagnosis
from feedrate.records.ladder import Ladder
from feedrate.records.measurement import Measurement
from feedrate.records.window import Window
from feedrate.report.console import console
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
        (0.9, 0.5, "is not told apart from the script as it is: about "),
    ],
)
def test_what_became_of_it_is_said_in_a_line(ratio: float, spread: float, words: str) -> None:
    (statement,) = trial_statements(tried(ratio, spread))

    assert statement.startswith(f"{pasted(SETTING)} {words}")
    assert ("the speed of the script as it is, from 4 pairs" in statement) == ("told apart" not in words)


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

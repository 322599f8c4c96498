"""Cells whose answer is known are measured in real processes, and the answer is found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from _pytest.mark import ParameterSet

from feedrate.api.calibrating import calibrated
from feedrate.api.datasets import ensure
from feedrate.api.session import Session
from feedrate.calibration import denormals
from feedrate.calibration.calibrate import run_case
from feedrate.calibration.case import HEALTHY
from feedrate.calibration.cases import CASES, Case
from feedrate.cli import main
from feedrate.contract import Fixture, check
from feedrate.data.dataset import DataSet
from feedrate.diagnosis.causes import CauseKind
from feedrate.plugin.cell import Cell
from feedrate.plugin.registry import Registry
from feedrate.plugin.strategy import Need
from feedrate.report.console import console
from feedrate.runner.forkserver import ForkServer
from feedrate.runner.isolation import ReplicateSettings
from tests.support.commands import interrupted

pytestmark = pytest.mark.process

KNOWN = {case.name: case for case in CASES}


def marked(case: Case) -> ParameterSet:
    marks = [pytest.mark.gpu] if case.device == "cuda" else []
    # A verdict compares times; a refusal and a remark do not.
    marks += [pytest.mark.alone] if case.is_diagnosed else []
    marks += [pytest.mark.skip(reason=need.reason) for need in case.unmet_needs]
    return pytest.param(case, id=case.name, marks=marks)


@pytest.fixture(scope="module")
def settings(
    tmp_path_factory: pytest.TempPathFactory, registry: Registry, fork_server: ForkServer
) -> ReplicateSettings:
    root = tmp_path_factory.mktemp("calibrate")
    recipes = {cell.recipe.folder_name: cell.recipe for cell in (Cell.parse(case.cell, registry) for case in CASES)}
    with (root / "said").open("w") as said:
        ensure(recipes.values(), root, console(said), quiet=True)
    return ReplicateSettings(root, root / "logs", "test", timeout_s=100, fork_server=fork_server)


@pytest.mark.answer
@pytest.mark.timeout(400)
@pytest.mark.parametrize("case", [marked(case) for case in CASES])
def test_a_known_answer_is_found(case: Case, settings: ReplicateSettings) -> None:
    found = run_case(case, settings)

    assert found.right, f"{found.found}: {found.told}"


def test_a_case_whose_answer_this_machine_cannot_give_is_not_asked(tmp_path: Path) -> None:
    lame = Need("a lame processor", lambda: False, "this one is fast")
    with Session(data=tmp_path, logs=tmp_path / "logs", results=None, quiet=True) as session:
        result = calibrated(session.resources, [replace(KNOWN["loss is NaN"], needs=(lame,))])
    (answer,) = result.answers
    assert (answer.right, answer.tries, answer.found) == (None, 0, "n/a: needs a lame processor")
    assert answer.told == "needs a lame processor: this one is fast"
    assert result.right


@pytest.mark.parametrize(("ordinary_s", "denormal_s", "is_slow"), [(1e-5, 3e-5, True), (1e-5, 1.1e-5, False)])
def test_a_processor_is_slow_with_denormal_numbers_if_their_product_takes_twice_as_long(
    ordinary_s: float, denormal_s: float, is_slow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    smallest = float(np.finfo(np.float32).tiny)
    monkeypatch.setattr(denormals, "_product_s", lambda value: denormal_s if value < smallest else ordinary_s)
    denormals.denormal_slowdown.cache_clear()
    try:
        assert denormals.slow_denormals.met() == is_slow
    finally:
        denormals.denormal_slowdown.cache_clear()


def test_a_wrong_answer_is_said_to_be_wrong_and_not_asked_for_again(settings: ReplicateSettings) -> None:
    healthy = replace(KNOWN["a leak"], loader="inline", refused="nothing", remark="")
    nan = replace(KNOWN["loss is NaN"], refused="is not above 0")

    assert run_case(healthy, settings).right is False
    assert run_case(healthy, settings).expected == "no number: nothing"
    found = run_case(nan, settings)
    assert (found.right, found.tries, found.found) == (False, 1, "failed, invalid")
    assert "is not finite" in found.told


def test_every_name_is_one_and_every_kind_of_answer_is_among_them() -> None:
    assert len(KNOWN) == len(CASES)
    assert sum(case.device == "cpu" for case in CASES) >= 30
    verdicts = {case.verdict for case in CASES} - {""}
    assert verdicts >= {
        "hand-over",
        "decode",
        "compute",
        "launch",
        "python",
        "sync",
        "contention",
        "coupling",
        "no overlap",
    }
    for case in CASES:
        answers = (case.verdict, case.refused, case.remark, case.cause, case.healthy, case.symptom)
        assert sum(map(bool, answers)) == 1, case.name


def test_every_cause_and_every_cost_of_python_has_a_case_and_a_healthy_twin() -> None:
    causes = {case.cause for case in CASES} - {""}
    # What order makes wait is told of a person's own loader alone: examples/cases/slow_sample.py and its twin.
    assert causes | {"python", "order"} == set(get_args(CauseKind))
    assert {case.healthy for case in CASES} >= {*causes, "python", "launch"}


def test_a_cell_is_taken_apart_as_far_as_its_answer_asks_for() -> None:
    asked = {case.name: (case.asks_for_stages, case.asks_for_facts) for case in CASES}

    assert asked["packed files"] == asked["slow between epochs"] == (True, False)
    assert (
        asked["slow step"] == asked["a bar drawn at each step"] == asked["a bar drawn once a second"] == (False, True)
    )
    assert asked["disturbed in Python"] == asked["in turns"] == (False, False)


def test_every_cell_that_gets_worse_has_a_twin_that_differs_in_its_cure_alone() -> None:
    sick = [case for case in CASES if case.symptom not in ("", HEALTHY)]

    assert len(sick) >= 15
    assert len({case.symptom for case in sick}) >= 9
    for case in sick:
        twin = KNOWN[f"{case.name}, cured"]
        assert twin.symptom == HEALTHY
        assert twin.cell == case.cell.replace("]", ",cured=true]"), case.name


NAMES = ("paced", "disturbing", "evicting", "growing", "lingering", "understaffed", "crew", "accompanied")


@pytest.mark.parametrize("name", NAMES)
def test_a_loader_of_known_pace_serves_what_is_planned(
    name: str, settings: ReplicateSettings, registry: Registry
) -> None:
    recipe = registry.workload("known").at("tiny")
    data = DataSet.open(settings.data / recipe.folder_name, recipe)
    fixture = Fixture(recipe.workload.plan(data, "tiny", epochs=2), recipe)

    # Their processes are what they stand for: nobody runs them without.
    unasked = {"serves the same without workers"} if name in ("crew", "understaffed") else set[str]()
    broken = [(promise, str(error)) for promise, error in check(registry.loader(name), fixture) if error]
    assert {promise for promise, _ in broken} == unasked, broken


def test_expected_against_found_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(
        [
            *("calibrate", "--only", "loss is NaN", "--only", "GPU: waits"),
            *("--data", str(tmp_path), "--logs", str(tmp_path / "logs")),
        ],
    )

    told = capsys.readouterr()
    assert status == 0
    assert "right: loss is NaN: no number: is not finite (1 to go)" in told.err
    lines = told.out.splitlines()
    assert lines[0].split() == ["case", "expected", "found", "tries"]
    assert lines[1].split()[-3:] == ["the", "same", "1"]
    assert "1 of 1 right" in lines[-1] or "2 of 2 right" in lines[-1]


def test_a_wrong_answer_is_told_and_its_status_is_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = replace(KNOWN["loss is NaN"], refused="is not above 0")
    monkeypatch.setattr("feedrate.api.calibrating.CASES", (wrong,))
    folders = ("--data", str(tmp_path), "--logs", str(tmp_path / "logs"))

    assert main(["calibrate", "--quiet", *folders]) == 1
    told = capsys.readouterr()
    assert "WRONG" in told.out
    assert "loss is NaN: known/tiny/inline/faulty/cpu: faulty on known: loss nan is not finite" in told.out
    assert told.out.splitlines()[-1].startswith("0 of 1 right")

    assert main(["calibrate", "--quiet", "--json", *folders]) == 1
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["name"], found["right"], found["found"]) == ("loss is NaN", False, "failed, invalid")


def test_an_interrupted_calibration_says_what_there_is(tmp_path: Path) -> None:
    names = ("loss is NaN", "loss is 0", "parameters frozen", "a row doubled", "a row dropped")
    asked = [word for name in names for word in ("--only", name)]
    found = interrupted(tmp_path, "right: loss is NaN", "calibrate", *asked)

    assert found.status == 130, found.complaints
    assert "feedrate: interrupted; this is what there is" in found.complaints
    assert "Traceback" not in found.complaints
    assert found.told.splitlines()[1].split()[:4] == ["loss", "is", "NaN", "right"]
    assert int(found.told.splitlines()[-1].split()[0]) < len(names)


def test_the_cases_of_one_device_can_be_asked_for_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = ("--data", str(tmp_path), "--logs", str(tmp_path / "logs"))
    names = ("--only", "loss is NaN", "--only", "GPU: waits")

    assert main(["calibrate", "--quiet", "--json", "--device", "cpu", *names, *folders]) == 0
    assert [case["name"] for case in json.loads(capsys.readouterr().out)] == ["loss is NaN"]
    assert main(["calibrate", "--device", "cdua"], {}) == 2
    assert capsys.readouterr().err == "feedrate: no device 'cdua'; did you mean cuda or cpu?\n"


def test_a_case_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", "--only", "packed flies"], {}) == 2

    assert (
        capsys.readouterr().err
        == "feedrate: no case 'packed flies'; did you mean packed files or packed files, unpacked ahead?\n"
    )

"""Which settings are tried for a script's DataLoader, and what is said of them."""

from __future__ import annotations

import json
import math
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from feedrate.api import tuning
from feedrate.api.comparison_result import ComparisonResult
from feedrate.api.resources import Resources
from feedrate.api.session import Session
from feedrate.api.tuning import candidates
from feedrate.api.tuning_result import TuningResult
from feedrate.comparison.comparison import ComparedRun, Comparison, StoppingRule, Variant
from feedrate.records.conditions import Conditions
from feedrate.records.measurement import Measurement, Outcome
from feedrate.records.window import Window
from feedrate.runner.script_command import OWN, ScriptCommand
from tests.support.commands import feedrate, refused
from tests.support.outcomes import failure, measurement

SCRIPT = Path(__file__).parents[1] / "support" / "scripts" / "in_turns.py"


def own(workers: int) -> Measurement:
    return replace(measurement(), observed={"loader settings": {"num_workers": workers}})


def test_settings_are_none_workers_up_to_the_cores_and_deeper_queues_and_beside_them_other_loaders() -> None:
    assert candidates(own(0), 2) == (
        (
            "dataloader[num_workers=1,persistent_workers=true]",
            "dataloader[num_workers=2,persistent_workers=true]",
            "dataloader[num_workers=1,persistent_workers=true,prefetch_factor=4]",
            "dataloader[num_workers=2,persistent_workers=true,prefetch_factor=4]",
        ),
        ("threads[count=1]", "threads[count=2]", "ring_workers[count=1]", "ring_workers[count=2]"),
    )
    with_workers, others = candidates(own(4), 8)
    assert with_workers[0] == "dataloader[num_workers=0]"
    assert {"dataloader[num_workers=8,persistent_workers=true]"} <= set(with_workers)
    assert not any("num_workers=16" in setting for setting in with_workers)
    assert others == ("threads[count=4]", "threads[count=8]", "ring_workers[count=4]", "ring_workers[count=8]")
    settings, others = candidates(own(0), 1)
    assert settings[0] == "dataloader[num_workers=1,persistent_workers=true]"
    assert others == ("threads[count=1]", "ring_workers[count=1]")


def proof(*ratios: float) -> ComparisonResult:
    """Sixteen pairs each, in which a winner takes such a ratio of the script's time, within half a per cent."""

    def side(factor: float, number: int) -> Measurement:
        s = factor * (1 + 0.005 * math.sin(number))
        return replace(measurement(), full_windows=(Window(s, 10, 640), Window(s, 10, 640)), rounds=None)

    variant = Variant("train.py/own/dataloader/own/cpu", "", lambda _: measurement())
    comparisons = tuple(Comparison(variant, variant, variant, StoppingRule(pairs=16)) for _ in ratios)
    for comparison, ratio in zip(comparisons, ratios, strict=True):
        for number in range(16):
            comparison.runs += [ComparedRun("a", side(ratio, number)), ComparedRun("b", side(1.0, number + 7))]
            comparison.runs.append(ComparedRun("control", measurement()))
    return ComparisonResult.of(comparisons, None)


BEST = "dataloader[num_workers=2,persistent_workers=true]"


def test_a_gain_that_is_proven_comes_with_its_interval_and_what_to_paste() -> None:
    result = TuningResult((own(0),), BEST, proof(0.5))
    assert result.paste == "DataLoader(..., num_workers=2, persistent_workers=True)"
    assert result.sentence.startswith(f"{result.paste} gains x2.0")
    assert json.loads(json.dumps(result.as_json()))["paste"] == result.paste


RING = "ring_workers[count=2]"


@pytest.mark.slow
def test_a_loader_of_feedrates_own_that_is_faster_stands_beside_what_can_be_pasted() -> None:
    result = TuningResult((own(0),), BEST, proof(0.5, 0.4), other=RING)
    assert result.paste == "DataLoader(..., num_workers=2, persistent_workers=True)"
    assert result.sentence.startswith(f"{result.paste} gains x2.0")
    assert result.beside.startswith(f"{RING} gains x2.5")
    assert "feedrate's own loader, for which there is no line to paste" in result.beside
    assert result.as_json()["beside"] == result.beside


def test_where_only_a_loader_of_feedrates_own_helps_no_code_is_printed_for_it() -> None:
    result = TuningResult((own(0),), BEST, proof(1.0, 0.4), other=RING)
    assert result.paste == ""
    assert result.sentence.startswith("nothing to paste helps: the best of all that was tried")
    assert result.beside.startswith(f"{RING} gains x2.5")
    alone = TuningResult((own(0), own(0)), "", proof(0.4), other=RING)
    assert alone.sentence.startswith("nothing to paste helps: no other setting of torch's loader could run")
    assert alone.beside.startswith(f"{RING} gains x2.5")


def test_a_loader_of_feedrates_own_that_gains_nothing_is_not_spoken_of() -> None:
    assert TuningResult((own(0),), BEST, proof(0.5, 1.0), other=RING).beside == ""
    assert TuningResult((own(0),), BEST, proof(0.5)).beside == ""


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (TuningResult((own(0),), "", None), "nothing helps: the step is the limit"),
        (TuningResult((own(0), own(0)), "", None), "nothing helps: the step is the limit"),
        (TuningResult((own(0), failure()), "", None), "nothing helps: no other setting could run, or within --memory"),
        (TuningResult((own(0), own(0)), BEST, None), f"no answer: the time was up before it was proven that {BEST}"),
        (TuningResult((own(0),), BEST, proof(1.0)), f"nothing helps: the best of all that was tried, {BEST}"),
    ],
)
def test_nothing_helps_is_an_answer(result: TuningResult, text: str) -> None:
    assert result.sentence.startswith(text)
    assert result.paste == ""


@pytest.mark.process
@pytest.mark.answer
def test_of_a_script_whose_step_is_the_limit_that_is_said_before_anything_is_tried(tmp_path: Path) -> None:
    code = (
        "import time, train\n"
        "sleep, ready = time.sleep, (train.torch.ones(8), 1.0)\n"
        "train.Numbers.__getitem__ = lambda self, index: ready\n"
        "train.time.sleep = lambda seconds: sleep(0.05)\n"
        "train.main(100000)\n"
    )
    shutil.copy(SCRIPT, tmp_path / "train.py")
    tuned = feedrate(tmp_path, "tune", "--budget", "90s", "--json", "--", sys.executable, "-c", code)
    assert tuned.returncode == 0, tuned.stderr
    answer: dict[str, Any] = json.loads(tuned.stdout)
    assert answer["sentence"] == "nothing helps: the step is the limit"
    assert {outcome["cell"] for outcome in answer["outcomes"]} == {"python/own/dataloader/own/cpu"}


BUSY = Conditions(2.0, 8, own_core_s=3.0, all_core_s=3.1, stolen_core_s=0.0, swapped_pages=9_999)
CELL = "python/own/dataloader/own/cpu"


def of_step(*full_ms: float, conditions: Conditions | None = None) -> Measurement:
    """Of a script whose step takes 10 ms and whose rounds take so many with the loader."""
    full, step = (tuple(Window(ms / 1e3, 1, 64) for ms in times) for times in (full_ms, [10.0] * len(full_ms)))
    return replace(
        measurement(CELL, conditions=conditions),
        full_windows=full,
        step_windows=step,
        loader_windows=step,
        step_windows_before=step,
        rounds=len(full),
    )


@pytest.mark.parametrize(
    ("runs", "others"),
    [
        ([of_step(10, 10.1, 10, 10.1)], False),
        ([of_step(20, 20.1, 20, 20.1)], True),
        # A busy machine, or a stall in one window, says nothing of the loader.
        ([of_step(10, 10.1, 10, 10.1, conditions=BUSY), of_step(10, 10.1, 10, 10.1)], False),
        ([of_step(10, 10.1, 10, 14), of_step(10, 10.1, 10, 10.1)], False),
        ([of_step(10, 10.1, 10, 14), of_step(20, 20.1, 20, 20.1)], True),
        ([of_step(10, 10.1, 10, 10.1, conditions=BUSY)] * 3, True),
    ],
)
def test_the_script_as_it_is_is_measured_again_while_it_stays_open_whether_a_loader_can_gain(
    runs: list[Measurement], others: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaders: list[str] = []

    def measure(resources: Resources, command: ScriptCommand, number: int) -> Outcome:
        del resources
        loaders.append(command.loader)
        return runs[number] if number < len(runs) else replace(failure(str(command.cell)), why="exception")

    monkeypatch.setattr(tuning, "measured_script", measure)
    with Session(results=tmp_path, quiet=True) as session:
        tuned = session.tune_command([sys.executable, "-c", ""], budget_s=60)
    assert [loader == OWN for loader in loaders[: len(runs) + 1]] == [True] * len(runs) + [False] * others
    assert ("the step is the limit" in tuned.sentence) == (not others)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("tune",), "tune takes the command that trains after `--`"),
        (("tune", "--memory", "lots", "--", "python"), "invalid size, such as 800M or 16G"),
        (("tune", "--threads", "2", "--", "python"), "there is no --threads"),
        (("compare", "python train.py", "a/b/c"), "'a/b/c' is no command, and the other side is one"),
        (("compare", "python train.py", "python 'train.py"), "is no command: No closing quotation"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    arguments: tuple[str, ...],
    text: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert text in refused(arguments, capsys)

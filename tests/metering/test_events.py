"""What steps other than training leave behind in a record: real processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from feedrate.cli import main
from tests.support import PLUGINS

pytestmark = pytest.mark.process


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def measured(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[dict[str, Any], ...]:
    quick = ("--plugin", str(PLUGINS / "told.py"), "--size", "tiny", "--device", "cpu", "--seconds", "0.02", "--once")
    assert main(["run", "sums", *quick, "--json", *words]) == 0
    return tuple(json.loads(capsys.readouterr().out))


def test_what_a_step_counts_is_told_for_each_batch(capsys: pytest.CaptureFixture[str]) -> None:
    counting, plain = measured(
        capsys, "--loader", "inline", "--step", "counting[each=3]", "--step", "fp32", "--order", "named"
    )

    assert counting["events"] == {"graph [built]": 3.0}
    assert plain["events"] == {}


def test_an_evaluation_has_a_number_and_trains_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    (evaluated,) = measured(capsys, "--loader", "inline", "--step", "evaluation")

    assert evaluated["metrics"]["samples_per_s"] > 0
    assert evaluated["loss_first"] > 0
    assert evaluated["health"] is None
    assert evaluated["skipped_updates"] == 0

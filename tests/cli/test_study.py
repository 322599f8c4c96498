"""`feedrate study` as a person runs it: changes are tried in their order, and what is known outlives an interrupt."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.commands import interrupted, patient

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

STUDY = """
title = "Two changes"
base = "known/tiny/paced[delay_us=20000,overlap=false]/none/cpu"

[[change]]
name = "a shorter delay"
loader = "[delay_us=1000]"
claim = "x2-30"

[[change]]
name = "tensor cores"
step = "tf32"

[[change]]
name = "only on a GPU"
loader = "[delay_us=500]"
needs = "cuda"

[[change]]
name = "ahead of need"
loader = "[overlap=true]"
against = "base"
"""
QUICK = ("--seconds", "0.05", "--pairs", "4", "--budget", "60")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    file = tmp_path / "study.toml"
    file.write_text(STUDY)
    return file


def test_changes_are_tried_in_their_order_and_what_cannot_run_here_is_told(study: Path) -> None:
    done = patient(280, study.parent, "study", "study.toml", *QUICK, "-o", "pages/study.md", "--json")

    assert done.returncode in (0, 1), done.stderr
    told = json.loads(done.stdout)
    shorter, cores, on_gpu, ahead = told["changes"]
    assert shorter["cell"] == "known/tiny/paced[delay_us=1000,overlap=false]/none/cpu"
    assert shorter["against"] == told["base"] == ahead["against"]
    assert ahead["cell"] == "known/tiny/paced[delay_us=20000,overlap=true]/none/cpu"
    assert [run["role"] for run in shorter["comparison"]["processes"][:5]] == ["control", "a", "b", "b", "a"]
    assert (cores["standing"], on_gpu["standing"]) == ("not tried", "not tried")
    assert "needs a CUDA device" in cores["reason"]
    assert on_gpu["reason"] == "needs the device cuda: on a cpu it changes nothing"
    assert shorter["side"] == "loader"
    assert shorter["bound"] >= 1
    page = (study.parent / "pages/study.md").read_text()
    assert "## Not tried here" in page
    assert "| 1 | a shorter delay |" in page
    (raw,) = (study.parent / "results/raw").glob("*.jsonl")
    assert len(raw.read_text().splitlines()) == sum(len(each["comparison"]["processes"]) for each in (shorter, ahead))
    assert len(json.loads(raw.with_suffix(".json").read_text())) == 2


def test_what_is_known_outlives_an_interrupt(study: Path) -> None:
    ended = interrupted(study.parent, "change 4 of 4", "study", "study.toml", *QUICK, "-o", "study.md")

    assert ended.status == 130
    assert "this is what was tried so far" in ended.complaints
    assert "a shorter delay" in ended.told
    assert "tensor cores: " in ended.told
    assert (study.parent / "study.md").read_text().startswith("# Two changes\n")

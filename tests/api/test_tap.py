"""A loop that is measured where it stands."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from feedrate import UsageError, measure_loop, tap
from feedrate.api.tap import Tap
from tests.support.commands import feedrate


class Slow:
    """An epoch of ten batches, each of which takes 2 ms to come."""

    def __iter__(self) -> Iterator[torch.Tensor]:
        for number in range(10):
            time.sleep(2e-3)
            yield torch.full((4,), float(number))


def test_a_function_is_measured_on_any_batches() -> None:
    result = measure_loop(Slow(), lambda batch: time.sleep(5e-3), seconds=0.05)
    evidence = result.diagnosis.evidence
    assert evidence.step_s.mean >= 5e-3
    assert evidence.loader_s.mean >= 2e-3
    assert evidence.full_s.mean >= 7e-3
    assert result.diagnosis.cell == "loop/own/tap/own/cpu"
    assert evidence.epoch_batches == 10


def test_a_loop_ends_when_enough_is_known_and_prints_what_holds_it_back(capsys: pytest.CaptureFixture[str]) -> None:
    batches = tap(Slow(), seconds=0.05)
    for _ in batches:
        time.sleep(1e-3)
    assert isinstance(batches, Tap)
    assert batches.result.verdict.statement in " ".join(capsys.readouterr().out.split())


def test_batches_that_end_before_anything_is_known_are_a_mistake_that_is_named() -> None:
    with pytest.raises(UsageError, match="ended before enough was known"):
        measure_loop([torch.zeros(1)], lambda batch: None)
    with pytest.raises(UsageError, match="gives no batch when it is iterated again"):
        measure_loop(iter(Slow()), lambda batch: None)


@pytest.mark.process
def test_below_the_command_a_tap_marks_the_loop_that_is_measured(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(
        "import time, torch, feedrate\n"
        "from torch.utils.data import DataLoader\n"
        "data = DataLoader(torch.zeros(640, 4), batch_size=64)\n"
        "for _ in range(1000):\n"
        "    for batch in feedrate.tap(data):\n"
        "        time.sleep(0.005)\n"
    )
    run = feedrate(tmp_path, "why", "-r", "1", "--seconds", "0.05", "--json", "--", sys.executable, "train.py")
    assert run.returncode == 0, run.stderr
    (answer,) = json.loads(run.stdout)
    assert answer["cell"] == "train.py/own/dataloader/own/cpu"
    assert answer["evidence"]["step_s"]["mean"] >= 0.005
    assert subprocess.run([sys.executable, "-c", "import feedrate; feedrate.tap"], check=False).returncode == 0

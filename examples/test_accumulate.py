"""The step `accumulate` keeps its contract."""

from __future__ import annotations

from pathlib import Path

from feedrate import Registry
from feedrate.contract import check, written

FILE = Path(__file__).with_name("accumulate.py")


def test_the_step_keeps_its_contract(tmp_path: Path) -> None:
    registry = Registry.load([FILE])
    fixture = written(registry.workload("boardmoves"), tmp_path)
    outcomes = dict(check(registry.step("accumulate"), fixture))
    assert {promise: error for promise, error in outcomes.items() if error} == {}

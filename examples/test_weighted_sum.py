"""The workload `weighted_sum` keeps its contract."""

from __future__ import annotations

from pathlib import Path

from feedrate import Registry
from feedrate.contract import check, unwritten

FILE = Path(__file__).with_name("weighted_sum.py")


def test_the_workload_keeps_its_contract() -> None:
    workload = Registry.load([FILE]).workload("weighted_sum")
    outcomes = dict(check(workload, unwritten(workload)))
    assert {promise: error for promise, error in outcomes.items() if error} == {}

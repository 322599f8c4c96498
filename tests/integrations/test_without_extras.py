"""A base install, in an environment that really holds nothing else: `make test-integrations` makes it."""

from __future__ import annotations

import json
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from feedrate import FeedrateError, results
from feedrate.records.measurement import Measurement
from feedrate.records.raw_results import read
from tests.support.commands import feedrate

EXTRAS = ("pandas", "asv", "virtualenv", "plotly", "hypothesis")
PRESENT = [name for name in EXTRAS if find_spec(name)]
SHORT = ("--step", "none", "--size", "tiny", "--device", "cpu", "--seconds", "0.05")

pytestmark = [
    pytest.mark.timeout(170),
    pytest.mark.skipif(
        bool(PRESENT), reason=f"{', '.join(PRESENT)}: no base install; `make test-integrations` makes one"
    ),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("base")


@pytest.fixture(scope="module")
def measured(folder: Path) -> subprocess.CompletedProcess[str]:
    return feedrate(folder, "run", "boardmoves", "--once", "--loader", "inline", *SHORT)


def test_what_can_run_is_listed(folder: Path) -> None:
    done = feedrate(folder, "list", "--json")

    assert (done.returncode, done.stderr) == (0, "")
    listed = json.loads(done.stdout)
    assert {"boardmoves", "daywindows", "fxseq"} <= {entry["name"] for entry in listed["workloads"]}
    assert {"inline", "threads", "workers"} <= {entry["name"] for entry in listed["loaders"]}


def test_a_cell_is_measured_and_shown(folder: Path, measured: subprocess.CompletedProcess[str]) -> None:
    assert measured.returncode == 0, measured.stderr
    (raw,) = (folder / "results/raw").glob("*.jsonl")
    (outcome,) = read(raw)
    assert isinstance(outcome, Measurement)
    assert outcome.cell == "boardmoves/tiny/inline/none/cpu"
    shown = feedrate(folder, "show")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "inline" in shown.stdout


def test_results_as_a_table_name_what_to_install(folder: Path, measured: subprocess.CompletedProcess[str]) -> None:
    assert measured.returncode == 0, measured.stderr
    with pytest.raises(
        FeedrateError, match=r'pandas is not installed; `pip install "feedrate\[pandas\]"` provides it'
    ) as told:
        results(folder / "results/raw")
    assert "\n" not in str(told.value)


def test_what_asv_is_needed_for_names_what_to_install(folder: Path) -> None:
    done = feedrate(folder, "machine")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "feedrate[asv]" in done.stderr

"""Polars reads what pyarrow reads, where it is the only extra."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from feedrate.builtin.loaders.inline import Inline
from feedrate.builtin.workloads.daywindows import DayWindows
from feedrate.contract import LOADER_PROMISES
from feedrate.data.dataset import DataSet
from feedrate.records.measurement import Measurement
from feedrate.records.raw_results import read
from tests.conftest import fixture_on
from tests.support.commands import feedrate

polars = pytest.importorskip("polars", reason="not in this environment; `make test-integrations` makes one")
pytestmark = pytest.mark.timeout(170)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    recipe = DayWindows().at("tiny")
    return DataSet.write(tmp_path_factory.mktemp("polars") / recipe.folder_name, recipe)


@pytest.mark.parametrize("promise", LOADER_PROMISES, ids=lambda promise: promise.__name__)
def test_batches_that_polars_decodes_keep_every_promise(promise: object, data: DataSet) -> None:
    recipe = replace(DayWindows(), reader="polars").at("tiny")

    assert callable(promise)
    promise(Inline(), fixture_on(data, recipe))


def test_a_cell_that_reads_with_polars_is_measured(tmp_path: Path) -> None:
    cell = ("daywindows[reader=polars]", "--loader", "threads", "--step", "none", "--size", "tiny", "--device", "cpu")
    done = feedrate(tmp_path, "run", *cell, "--once", "--seconds", "0.05")

    assert done.returncode == 0, done.stderr
    (raw,) = (tmp_path / "results/raw").glob("*.jsonl")
    (outcome,) = read(raw)
    assert isinstance(outcome, Measurement)
    assert outcome.environment["versions"]["polars"] == polars.__version__  # type: ignore[index]

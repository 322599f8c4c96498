"""Data sets of all formats are audited, those too whose files only their workload reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from feedrate.api.auditing import audit
from feedrate.data.audit import ColumnAudit
from feedrate.data.dataset import DataSet
from feedrate.errors import UsageError
from feedrate.plugin.registry import Registry


def audited(spec: str, folder: Path) -> dict[str, ColumnAudit]:
    """The columns of a tiny data set that is written for it, by name."""
    registry = Registry.load()
    recipe = registry.workload(spec).at("tiny")
    data = DataSet.write(folder / recipe.folder_name, recipe)
    return {column.name: column for column in audit(data, registry)}


@pytest.mark.process
def test_planted_holes_and_constants_are_told_in_arrow_parquet_and_hdf5(tmp_path: Path) -> None:
    boards = audited("boardmoves[nan_ratio=0.2,constant_columns=3]", tmp_path)
    days = audited("daywindows[nan_ratio=0.1,constant_columns=2]", tmp_path)
    series = audited("fxseq[nan_ratio=0.3,constant_columns=2,layout=gzip]", tmp_path)

    assert boards["value"].missing == pytest.approx(0.2, abs=0.03)
    assert (boards["hand"].constant, boards["hand"].places) == (3, 14)
    assert days["y5"].missing == pytest.approx(0.1, abs=0.06)
    assert days["y5"].missing > 0
    assert (days["f"].constant, days["f"].shape) == (2, (8,))
    assert series["targets"].missing == pytest.approx(0.3, abs=0.03)
    assert series["targets"].most_missing > series["targets"].missing
    # Two features, at each of twelve times.
    assert (series["features"].constant, series["features"].shape) == (24, (12, 8))


@pytest.mark.process
def test_without_plants_nothing_is_missing_or_constant(tmp_path: Path) -> None:
    for spec in ("daywindows[nan_ratio=0]", "fxseq", "fxseq[form=multi]"):
        columns = audited(spec, tmp_path)
        assert {(column.missing, column.infinite) for column in columns.values()} == {(0.0, 0.0)}
        assert {name: column.constant for name, column in columns.items() if column.constant} == {}


@pytest.mark.process
def test_pictures_and_documents_are_audited_by_the_samples_that_they_give(tmp_path: Path) -> None:
    pytest.importorskip("PIL", reason="needs Pillow; pip install '.[images]'")
    pictures, documents = audited("images", tmp_path), audited("tokens", tmp_path)

    assert [(column.dtype, column.shape, column.rows) for column in pictures.values()] == [
        ("float32", (3, 32, 32), 40),
        ("int64", (), 40),
    ]
    assert [(column.shape, column.rows) for column in documents.values()] == [((None,), 96)] * 2


@pytest.mark.process
def test_samples_of_a_workload_that_nobody_offers_are_refused_by_its_name(tmp_path: Path) -> None:
    recipe = Registry.load().workload("tokens").at("tiny")
    data = DataSet.write(tmp_path / recipe.folder_name, recipe)
    offered = Registry.load()
    registry = replace(offered, workloads={name: offered.workloads[name] for name in ("images", "fxseq")})

    with pytest.raises(UsageError, match="no workload 'tokens'"):
        audit(data, registry)

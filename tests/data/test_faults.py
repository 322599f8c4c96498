"""`data verify` believes no manifest: digests may be right and what they stand beside a lie."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from feedrate.data.dataset import DataSet
from feedrate.data.field import Field
from feedrate.data.manifest import MANIFEST
from tests.support.tables import ARROW, Table

Raw = dict[str, Any]
FIELDS = Table().fields
TABLES = {
    "arrow": Table("arrow", ARROW),
    "parquet": Table("parquet", {"compression": "zstd"}),
    "hdf5": Table("hdf5", {"layout": "chunked"}, fields=(*FIELDS[:3], Field("wide", "float32", "float32", (5, 2)))),
}


def swap_files(raw: Raw) -> None:
    first, last = raw["shards"][0], raw["shards"][2]
    raw["shards"][0], raw["shards"][2] = (
        first | {"file": last["file"], "digest": last["digest"], "bytes": last["bytes"], "groups": last["groups"]},
        last | {"file": first["file"], "digest": first["digest"], "bytes": first["bytes"], "groups": first["groups"]},
    )


LIES: dict[str, Callable[[Raw], object]] = {
    "more rows": lambda raw: raw["shards"][2].update(groups=[10**12]),
    "fewer rows": lambda raw: raw["shards"][2].update(groups=[29]),
    "wider rows": lambda raw: raw["fields"][3].update(shape=[7]),
    "another dtype": lambda raw: raw["fields"][1].update(stored="int64"),
    "another column": lambda raw: raw["fields"][2].update(name="z"),
    "a column less": lambda raw: raw["fields"].pop(2),
    "a column more": lambda raw: raw["fields"].append(Field("z", "float32", "float32").as_json()),
    "another order of files": swap_files,
    "storage without its options": lambda raw: raw.update(storage={}) if raw["format"] == "arrow" else swap_files(raw),
}


@pytest.fixture(params=TABLES)
def data(request: pytest.FixtureRequest, tmp_path: Path) -> DataSet:
    return DataSet.write(tmp_path / "table", TABLES[request.param])


def test_a_data_set_as_written_has_no_faults(data: DataSet) -> None:
    assert list(data.faults()) == []


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_a_manifest_that_lies_is_caught_though_every_digest_is_right(data: DataSet, lie: Callable[[Raw], None]) -> None:
    path = data.folder / MANIFEST
    raw = json.loads(path.read_text())
    lie(raw)
    path.write_text(json.dumps(raw))

    faults = list(DataSet.open(data.folder).faults())

    assert faults
    assert all(fault.startswith("not as the manifest says: ") for fault in faults)
    assert all("\n" not in fault for fault in faults)

"""What a manifest may say: whoever wrote it, nothing in it leads outside its folder or is believed unseen."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from feedrate.data.dataset import DataSet
from feedrate.data.manifest import MANIFEST, Manifest
from feedrate.errors import DataError
from tests.support.tables import Table

Raw = dict[str, Any]
MARK = "feedrate data set"


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    return DataSet.write(tmp_path / "table", Table())


def rewritten(data: DataSet, change: Callable[[Raw], object]) -> None:
    path = data.folder / MANIFEST
    raw = json.loads(path.read_text())
    change(raw)
    path.write_text(json.dumps(raw))


def put(*place: str | int, value: object) -> Callable[[Raw], None]:
    """What sets one value of a manifest."""

    def change(raw: Any) -> None:
        for part in place[:-1]:
            raw = raw[part]
        raw[place[-1]] = value

    return change


WRONG = {
    "an absolute path": put("shards", 0, "file", value="/etc/hostname.arrow"),
    "a path upwards": put("shards", 0, "file", value="../../victim.arrow"),
    "a hidden file": put("shards", 0, "file", value=".arrow"),
    "a name with a newline": put("shards", 0, "file", value="a\n.arrow"),
    "a name that the format does not give": put("shards", 0, "file", value=MANIFEST),
    "a name that is no text": put("shards", 0, "file", value=3),
    "one file twice": put("shards", 1, "file", value="00000.arrow"),
    "10^30 rows": put("shards", 0, "groups", value=[10**30]),
    "rows whose bytes int64 does not count": put("shards", 0, "groups", value=[2**62]),
    "fewer than no rows": put("shards", 0, "groups", value=[-5]),
    "no rows": put("shards", 0, "groups", value=[0, 0]),
    "no groups": put("shards", 0, "groups", value=[]),
    "groups that are no list": put("shards", 0, "groups", value=30),
    "half a row": put("shards", 0, "groups", value=[29.5]),
    "a truth for a count": put("shards", 0, "groups", value=[True]),
    "bytes below nothing": put("shards", 0, "bytes", value=-1),
    "bytes in words": put("shards", 0, "bytes", value="many"),
    "a digest that is none": put("shards", 0, "digest", value="x" * 32),
    "a shard that is no object": put("shards", 0, value="00000.arrow"),
    "no shards": put("shards", value=[]),
    "an unknown format": put("format", value="../evil"),
    "a format that is no text": put("format", value=["arrow"]),
    "an identity that is no object": put("identity", value="mine"),
    "an identity that is no text": put("identity", "made by", value=1),
    "text that drives a terminal": put("identity", "made by", value="\x1b[2J"),
    "storage that is no text": put("storage", "lists", value=None),
    "no fields": put("fields", value=[]),
    "a field that is no object": put("fields", 0, value=1),
    "a dtype that nobody knows": put("fields", 0, "stored", value="float3"),
    "a model's dtype that nobody knows": put("fields", 0, "model", value={}),
    "an empty axis": put("fields", 3, "shape", value=[0]),
    "an axis below nothing": put("fields", 3, "shape", value=[-5]),
    "an axis without end": put("fields", 3, "shape", value=[10**15]),
    "rows without end": put("fields", 3, "shape", value=[1 << 20, 1 << 20]),
    "a shape that is no list": put("fields", 3, "shape", value=5),
    "a window of words": put("fields", 3, "window", value="5"),
    "one column twice": put("fields", 1, "name", value="row_id"),
    "a part that belongs in none": put("version", value=3),
    "a later layout": put(MARK, value=2),
    "a mark of another kind": put(MARK, value="yes"),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG.keys())
def test_a_manifest_of_a_wrong_shape_is_one_line(data: DataSet, change: Callable[[Raw], None]) -> None:
    rewritten(data, change)
    with pytest.raises(DataError, match=r"not a manifest of feedrate's .*; move the folder away") as caught:
        DataSet.open(data.folder)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("part", ["format", "identity", "storage", "fields", "shards"])
def test_a_manifest_without_one_of_its_parts_is_named(data: DataSet, part: str) -> None:
    rewritten(data, lambda raw: raw.pop(part))
    with pytest.raises(DataError, match=f"not a manifest of feedrate's \\(no '{part}'\\)"):
        DataSet.open(data.folder)


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5_000, '"\\ud800"', "\xff", "null", "NaN"])
def test_text_that_is_no_manifest_is_one_line(data: DataSet, text: str) -> None:
    (data.folder / MANIFEST).write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match="not a manifest of feedrate's") as caught:
        DataSet.open(data.folder)
    assert "\n" not in str(caught.value)


def test_a_manifest_that_is_a_folder_or_a_pipe_is_named_and_never_waited_for(data: DataSet) -> None:
    path = data.folder / MANIFEST
    path.unlink()
    path.mkdir()
    with pytest.raises(DataError, match="not a manifest of feedrate's"):
        DataSet.open(data.folder)
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(DataError, match="not a manifest of feedrate's"):
        DataSet.open(data.folder)


def test_a_manifest_from_before_the_mark_is_read(data: DataSet) -> None:
    rewritten(data, lambda raw: raw.pop(MARK))
    assert DataSet.open(data.folder, Table()) == data


def test_what_is_written_is_what_is_read(data: DataSet) -> None:
    manifest = Manifest.read(data.folder)
    assert json.loads((data.folder / MANIFEST).read_text()) == json.loads(json.dumps(manifest.as_json()))
    assert manifest.as_json()[MARK] == 1


def test_a_manifest_of_other_rows_than_the_recipes_is_refused(data: DataSet) -> None:
    rewritten(data, put("shards", 0, "groups", value=[30]))
    with pytest.raises(DataError, match="made with another layout of its files"):
        DataSet.open(data.folder, Table())

"""Copies that loaders keep in formats of their own: made once, whole or not at all, and removed only where ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from feedrate.cli import main
from feedrate.data.own_copies import CopyFolder, copies_of, remove_copy
from feedrate.errors import DataError
from tests.support import PLUGINS

IDENTITY = {"data": "1", "loader": "mine", "version": "1"}


class Writer:
    """Writes two files, and counts how often it was asked to."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, folder: Path) -> None:
        self.times += 1
        (folder / "part").mkdir()
        (folder / "part/rows").write_bytes(b"rows" * 100)
        (folder / "index").write_text("0")


def made(root: Path, write: Callable[[Path], None]) -> CopyFolder:
    return CopyFolder.made(CopyFolder.place(root, "boards-tiny", "mine", IDENTITY), IDENTITY, write)


def test_a_copy_is_made_once_however_many_want_it(tmp_path: Path) -> None:
    write = Writer()
    with ThreadPoolExecutor(4) as pool:
        copies = list(pool.map(lambda _: made(tmp_path, write), range(8)))

    assert write.times == 1
    assert {copy.folder for copy in copies} == set(copies_of(tmp_path / "boards-tiny"))
    assert copies[0].bytes == 401
    assert (copies[0].files / "part/rows").read_bytes() == b"rows" * 100


@pytest.mark.parametrize("harm", ["missing", "short", "undescribed"])
def test_a_damaged_copy_is_made_again(harm: str, tmp_path: Path) -> None:
    write = Writer()
    copy = made(tmp_path, write)
    if harm == "missing":
        (copy.files / "index").unlink()
    elif harm == "short":
        (copy.files / "part/rows").write_bytes(b"row")
    else:
        (copy.folder / "copy.json").write_text(
            json.dumps({**json.loads((copy.folder / "copy.json").read_text()), "made_s": "?"})
        )

    assert made(tmp_path, write).bytes == 401
    assert write.times == 2


def test_a_copy_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fails(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise DataError("no more of it")

    with pytest.raises(DataError, match="no more of it"):
        made(tmp_path, fails)
    assert list((tmp_path / "boards-tiny.copies").iterdir()) == []


def test_what_feedrate_did_not_write_stays(tmp_path: Path) -> None:
    copy = made(tmp_path, Writer())
    (copy.files / "notes.txt").write_text("mine")
    (copy.files / "index").unlink()

    with pytest.raises(DataError, match=r"holds 'files/notes.txt', which feedrate did not write"):
        remove_copy(copy.folder)
    with pytest.raises(DataError, match="which feedrate did not write"):
        made(tmp_path, Writer())
    assert (copy.files / "notes.txt").read_text() == "mine"
    assert (copy.files / "part/rows").exists()

    (copy.files / "notes.txt").unlink()
    assert remove_copy(copy.folder) == ("copy.json", "files/part/rows")
    assert not copy.folder.exists()


@pytest.mark.process
def test_a_run_makes_the_copy_once_tells_what_it_took_and_data_lists_and_removes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    plugin = ("--plugin", str(PLUGINS / "offered.py"))

    def ran(*words: str) -> Any:
        assert main([*words, *plugin, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    cell = ("run", "sums", "--loader", "mapped", "--step", "none", "--size", "tiny", "--seconds", "0.02", "--once")
    (first,), (second,) = ran(*cell), ran(*cell)

    assert first["own_copy"] == second["own_copy"]
    assert min(first["own_copy"][name] for name in ("bytes", "data_bytes", "made_s")) > 0
    assert second["page_cache"] == "warm"
    (listed,) = ran("data", "list")
    (copy,) = listed["copies"]
    assert (copy["identity"]["loader"], copy["bytes"]) == ("mapped", first["own_copy"]["bytes"])
    assert main(["show"]) == 0
    assert "own copy: " in capsys.readouterr().out
    removed = {each["folder"] for each in ran("data", "remove", "sums")}
    assert removed == {copy["folder"], listed["folder"]}
    assert list((tmp_path / "data").rglob("*.arrow")) == list((tmp_path / "data").rglob("copy.json")) == []

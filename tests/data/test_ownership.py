"""Nothing that a user owns is overwritten, moved or removed, whatever it is called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from feedrate.data.dataset import DataSet
from feedrate.data.manifest import MANIFEST
from feedrate.data.ownership import demand_ours, remove
from feedrate.errors import DataError
from tests.support.tables import Table


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    return DataSet.write(tmp_path / "data/table", Table())


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(folder: Path, why: str) -> None:
    """Neither removed nor written over, and nothing in or beside it is touched."""
    before = contents(folder.parent)
    with pytest.raises(DataError, match=why):
        remove(folder)
    with pytest.raises(DataError, match=why):
        DataSet.write(folder, Table(made_by="second"))
    assert contents(folder.parent) == before


def test_a_data_set_of_ours_is_removed_whole_and_its_files_are_listed(data: DataSet) -> None:
    assert remove(data.folder) == ("00000.arrow", "00001.arrow", "00002.arrow", MANIFEST)
    assert list(data.folder.parent.iterdir()) == []


def test_a_damaged_data_set_is_still_ours(data: DataSet) -> None:
    data.path(0).unlink()
    data.path(1).write_bytes(b"")
    assert demand_ours(data.folder) == ("00001.arrow", "00002.arrow", MANIFEST)
    DataSet.write(data.folder, Table())
    assert list(DataSet.open(data.folder).faults()) == []


def test_a_data_set_from_before_the_mark_is_ours(data: DataSet) -> None:
    raw = json.loads((data.folder / MANIFEST).read_text())
    del raw["feedrate data set"]
    (data.folder / MANIFEST).write_text(json.dumps(raw))
    remove(data.folder)
    assert not data.folder.exists()


def test_a_folder_with_a_foreign_manifest_is_not_ours(tmp_path: Path) -> None:
    folder = tmp_path / "data/table"
    folder.mkdir(parents=True)
    (folder / MANIFEST).write_text('{"name": "my extension", "version": 3}')
    (folder / "mydata.h5").write_text("years of work")
    refused(folder, "not a manifest of feedrate's")


def test_a_data_set_with_a_file_of_the_users_is_left_alone(data: DataSet) -> None:
    (data.folder / "mydata.h5").write_text("years of work")
    refused(data.folder, "holds 'mydata.h5', which feedrate did not write")


def test_a_file_that_no_writer_names_so_is_the_users_though_a_manifest_names_it(data: DataSet) -> None:
    (data.folder / "mydata.arrow").write_text("years of work")
    raw = json.loads((data.folder / MANIFEST).read_text())
    raw["shards"][0]["file"] = "mydata.arrow"
    (data.folder / MANIFEST).write_text(json.dumps(raw))
    refused(data.folder, "holds 'mydata.arrow', which feedrate did not write")


def test_a_data_set_with_a_folder_or_a_link_in_a_files_place_is_left_alone(data: DataSet) -> None:
    victim = data.folder.parent / "victim"
    victim.write_text("years of work")
    data.path(1).unlink()
    data.path(1).symlink_to(victim)
    refused(data.folder, "holds '00001.arrow', which feedrate did not write")
    data.path(1).unlink()
    data.path(1).mkdir()
    refused(data.folder, "holds '00001.arrow', which feedrate did not write")


def test_a_link_to_a_data_set_is_opened_and_never_removed_or_written_through(data: DataSet, tmp_path: Path) -> None:
    link = tmp_path / "links/table"
    link.parent.mkdir()
    link.symlink_to(data.folder)
    before = contents(data.folder)

    assert DataSet.open(link, Table()).rows == data.rows
    refused(link, "is a link")
    assert contents(data.folder) == before
    assert link.is_symlink()


def test_a_file_or_a_broken_link_of_a_data_sets_name_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data/table"
    folder.parent.mkdir()
    folder.write_text("years of work")
    refused(folder, "is no folder")
    folder.unlink()
    folder.symlink_to(tmp_path / "nowhere")
    refused(folder, "is a link")


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "table").mkdir()
    assert DataSet.write(tmp_path / "table", Table()).rows == Table().size


def test_users_folders_that_are_called_like_a_writers_survive_a_write(tmp_path: Path) -> None:
    mine = [tmp_path / f"table{end}" for end in (".partial-1999999999", ".partial-replaced-1999999999", ".sample-x")]
    for folder in mine:
        folder.mkdir()
        (folder / "00000.arrow").write_text("years of work")

    DataSet.write(tmp_path / "table", Table())

    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "table", *mine])
    assert all((folder / "00000.arrow").read_text() == "years of work" for folder in mine)

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from feedrate.builtin.workloads.boardmoves import BoardMoves
from feedrate.data.dataset import DataSet
from feedrate.data.field import Field
from feedrate.data.manifest import MANIFEST
from feedrate.errors import DataError
from tests.support import ROOT
from tests.support.tables import Table

MOMENTS = ("rows", "shard-30", "shard-10", "rename-0-before", "rename-0-after", "rename-1-before", "rename-1-after")


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    return DataSet.write(tmp_path / "table", Table())


def killed_writer(folder: Path, moment: str) -> None:
    found = subprocess.run(
        [sys.executable, "-m", "tests.support.killed", folder, moment], cwd=ROOT, timeout=60, check=False
    )
    assert found.returncode == -signal.SIGKILL


def test_what_was_written_is_what_is_opened(data: DataSet) -> None:
    opened = DataSet.open(data.folder, Table())
    assert opened == data
    assert opened.rows == Table().size
    assert opened.fields == Table().fields
    assert [shard.groups for shard in opened.shards] == list(Table().groups)
    assert opened.bytes == sum(path.stat().st_size for path in data.folder.glob("*.arrow"))
    assert list(opened.faults()) == []


def test_progress_adds_up_to_all_rows(tmp_path: Path) -> None:
    seen: list[int] = []
    DataSet.write(tmp_path / "table", Table(), seen.append)
    assert seen == [30, 10, 30]


def test_writing_again_replaces_the_folder_and_leaves_nothing_beside_it(data: DataSet) -> None:
    DataSet.write(data.folder, Table(made_by="second"))
    assert DataSet.open(data.folder).identity == {"made by": "second"}
    assert list(data.folder.parent.iterdir()) == [data.folder]


def test_locate_splits_a_range_at_the_ends_of_files(data: DataSet) -> None:
    assert list(data.locate(0, 70)) == [(0, 0, 30), (1, 0, 10), (2, 0, 30)]
    assert list(data.locate(29, 31)) == [(0, 29, 30), (1, 0, 1)]
    assert list(data.locate(40, 70)) == [(2, 0, 30)]
    assert list(data.locate(12, 12)) == []


def test_a_missing_data_set_names_the_command_that_writes_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing: no data set here; `feedrate data make`"):
        DataSet.open(tmp_path / "nothing")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": "arrow"}', '{"format": 1, "shards": 3}'])
def test_a_broken_manifest_is_named(data: DataSet, text: str) -> None:
    (data.folder / MANIFEST).write_text(text)
    with pytest.raises(DataError, match=f"{MANIFEST}: not a manifest"):
        DataSet.open(data.folder)


def test_a_file_of_another_size_is_named_with_both_sizes(data: DataSet) -> None:
    path = data.path(1)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(DataError, match=r"00001.arrow: holds [\d,]+ bytes instead of [\d,]+;"):
        DataSet.open(data.folder)


def test_a_missing_file_is_named(data: DataSet) -> None:
    data.path(2).unlink()
    with pytest.raises(DataError, match=r"00002.arrow: is missing"):
        DataSet.open(data.folder)


def test_a_data_set_made_from_something_else_is_refused(data: DataSet) -> None:
    with pytest.raises(DataError, match="made with another made by"):
        DataSet.open(data.folder, Table(made_by="second"))


def test_a_flipped_bit_is_found_in_its_file(data: DataSet) -> None:
    raw = bytearray(data.path(2).read_bytes())
    raw[len(raw) // 2] ^= 1
    data.path(2).write_bytes(raw)
    assert list(DataSet.open(data.folder).faults()) == ["damaged: 00002.arrow"]


def test_a_full_disk_is_foreseen_in_one_line_before_anything_is_written(tmp_path: Path) -> None:
    huge = Table(fields=(Field("row_id", "uint64", "int64"), Field("wide", "float32", "float32", (10**15,))))
    with pytest.raises(
        DataError, match=r"needs some [\d.,]+ TB and the disk has [\d.]+ [MGT]B free;.*--size"
    ) as caught:
        DataSet.write(tmp_path / "table", huge)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_holds_the_rows_compressed_is_large_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = replace(BoardMoves(), compression="zstd").at("tiny")
    raw = sum(field.row_bytes for field in recipe.fields) * sum(map(sum, recipe.groups))
    room = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: room._replace(free=raw // 2))

    data = DataSet.write(tmp_path / "compressed", recipe)

    assert data.bytes < raw // 2
    assert [path.name for path in tmp_path.iterdir()] == ["compressed"]
    with pytest.raises(DataError, match=r"needs some 1\d\.\d MB and the disk has 7\.77 MB free"):
        DataSet.write(tmp_path / "plain", replace(BoardMoves(), compression="none").at("tiny"))


@pytest.mark.process
@pytest.mark.parametrize("room", ["20k", "300k", "1m"])
def test_a_disk_that_fills_up_ends_a_writer_of_any_format_with_one_line_and_leaves_nothing(
    tmp_path: Path, room: str
) -> None:
    program = f"{sys.executable} -m tests.support.overflowing {tmp_path}"
    command = f"mount -t tmpfs -o size={room} none {tmp_path} && {program} && ls -A {tmp_path}"
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", command],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip(f"no mounts of one's own here: {done.stderr.strip()}")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [f"{tmp_path / 'table'}: cannot be written (No space left on device)"] * 4


def test_a_writer_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no storage format 'clay'"):
        DataSet.write(tmp_path / "table", replace(Table(), format="clay"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.process
@pytest.mark.parametrize("moment", ["rows", "shard-30", "rename-0-before"])
def test_a_killed_writer_leaves_no_folder_and_the_next_one_cleans_up(tmp_path: Path, moment: str) -> None:
    folder = tmp_path / "table"
    killed_writer(folder, moment)
    with pytest.raises(DataError, match="no data set here"):
        DataSet.open(folder)
    DataSet.write(folder, Table())
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.process
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_writer_killed_over_an_old_data_set_leaves_the_old_or_the_new_or_none(data: DataSet, moment: str) -> None:
    killed_writer(data.folder, moment)
    if data.folder.exists():
        assert list(DataSet.open(data.folder).faults()) == []
    DataSet.write(data.folder, Table(made_by="third"))
    assert list(data.folder.parent.iterdir()) == [data.folder]


@pytest.mark.process
def test_writing_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-m", "tests.support.orphans", tmp_path / "table"], cwd=ROOT)
    try:
        workers: list[psutil.Process] = []
        while len(workers) < 2 and writer.poll() is None:
            workers = [psutil.Process(int(path.name[4:])) for path in tmp_path.glob("pid-*")]
    finally:
        writer.kill()
        writer.wait()
    assert len(workers) == 2
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert not alive
    shutil.rmtree(tmp_path)

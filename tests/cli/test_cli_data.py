"""Data sets as the command line meets them: what is not ours is named in one line, status 2, and stays as it is."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from feedrate.cli import main
from feedrate.data.manifest import MANIFEST
from tests.support import PLUGINS

PLUGIN = ("--plugin", str(PLUGINS / "offered.py"))
TINY = (*PLUGIN, "--size", "tiny")

Refused = Callable[..., str]


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
    """The line that a command which measures and writes nothing ends with."""
    monkeypatch.chdir(tmp_path)

    def line(*arguments: str) -> str:
        before = contents(tmp_path)
        status = main(arguments)
        told = capsys.readouterr()
        assert (status, told.out) == (2, "")
        assert told.err.startswith("feedrate: ")
        assert told.err.count("\n") == 1
        assert contents(tmp_path) == before
        return told.err

    return line


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """The folder of a tiny data set in ./data."""
    monkeypatch.chdir(tmp_path)
    assert main(["data", "make", "sums", "--quiet", *TINY]) == 0
    capsys.readouterr()
    return tmp_path / "data/sums-tiny"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.process
@pytest.mark.parametrize("command", [("why", "sums", "plain", "train"), ("run", "sums", "--loader", "plain")])
@pytest.mark.parametrize("where", ["absolute", "beside"])
def test_a_manifest_that_names_a_file_outside_its_folder_harms_nobody(
    made: Path, refused: Refused, command: tuple[str, ...], where: str
) -> None:
    shard = made / "00000.arrow"
    victim = made.parent.parent / "victim.arrow"
    victim.write_bytes(shard.read_bytes())
    raw = json.loads((made / MANIFEST).read_text())
    raw["shards"][0]["file"] = str(victim) if where == "absolute" else "../../victim.arrow"
    (made / MANIFEST).write_text(json.dumps(raw))

    assert "is no plain file name" in refused(*command, *TINY, "--device", "cpu")
    assert victim.read_bytes() == shard.read_bytes()


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_a_folder_with_a_foreign_manifest_is_never_replaced(
    tmp_path: Path, refused: Refused, force: tuple[str, ...]
) -> None:
    folder = tmp_path / "data/sums-tiny"
    folder.mkdir(parents=True)
    (folder / MANIFEST).write_text('{"name": "an extension"}')
    (folder / "mydata.h5").write_text("years of work")

    assert "not a manifest of feedrate's" in refused("data", "make", "sums", *TINY, *force)
    assert "not a manifest of feedrate's" in refused("data", "remove", "sums", *TINY)


def test_a_data_set_that_holds_a_users_file_is_neither_renewed_nor_removed(made: Path, refused: Refused) -> None:
    (made / "mydata.h5").write_text("years of work")

    assert "holds 'mydata.h5'" in refused("data", "make", "sums", "--force", *TINY)
    assert "holds 'mydata.h5'" in refused("data", "remove", "sums", *TINY)


def test_removal_lists_what_it_removes(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [*sorted(path.name for path in made.glob("*.arrow")), MANIFEST]
    assert main(["data", "remove", "sums", *TINY]) == 0
    assert capsys.readouterr().out == f"removed data/sums-tiny: {', '.join(files)}\n"
    assert not made.exists()


def test_a_linked_data_set_is_verified_and_not_removed(
    made: Path, refused: Refused, capsys: pytest.CaptureFixture[str]
) -> None:
    made.symlink_to(made.rename(made.parent.parent / "kept"))

    assert main(["data", "verify"]) == 0
    assert "as written" in capsys.readouterr().out
    assert "data/sums-tiny: is a link" in refused("data", "remove", "sums", *TINY)
    assert made.is_symlink()


@pytest.mark.parametrize("rows", [10**30, -5])
def test_verify_vouches_for_no_rows_that_cannot_be(made: Path, capsys: pytest.CaptureFixture[str], rows: int) -> None:
    raw = json.loads((made / MANIFEST).read_text())
    raw["shards"][0]["groups"] = [rows]
    (made / MANIFEST).write_text(json.dumps(raw))

    assert main(["data", "verify", "--json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)
    assert found["broken"]
    assert "instead of a whole number" in found["state"]


def test_verify_reads_what_the_manifest_says_of_rows(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = json.loads((made / MANIFEST).read_text())
    raw["shards"][1]["groups"] = [10**12]
    (made / MANIFEST).write_text(json.dumps(raw))

    assert main(["data", "verify"]) == 1
    assert "not as the manifest says: " in capsys.readouterr().out


@pytest.mark.process
def test_what_a_killed_writer_left_beside_a_whole_data_set_is_gone_with_the_next_command(made: Path) -> None:
    killed = "import os, sys; from pathlib import Path; from feedrate.system.scratch import Scratch\n"
    killed += "Scratch.made(Path(sys.argv[1]), sys.argv[2]); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", killed, str(made.parent), f"{made.name}.partial-"], check=False, timeout=60)
    assert len(list(made.parent.iterdir())) == 2

    assert main(["data", "make", "sums", "--quiet", *TINY]) == 0

    assert list(made.parent.iterdir()) == [made]


def test_an_audit_has_a_line_for_each_column_and_is_no_part_of_a_plain_list(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "list"]) == 0
    plain = capsys.readouterr().out
    assert main(["data", "list", "--audit", *PLUGIN]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]

    assert "unsure" not in plain
    assert "data set column dtype shape missing most missing infinite constant" in lines
    assert lines[-2:] == [
        "sums-tiny y float32 one 0.0% 0.0% 0.0% no",
        "sums-tiny unsure float32 one 20% 20% 0.0% no",
    ]
    assert main(["data", "list", "--audit", "--json", *PLUGIN]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert [column["name"] for column in listed["columns"]] == ["row_id", "x", "y", "unsure"]
    assert listed["fields"][1] == {"name": "x", "dtype": "uint8", "shape": [6]}


def test_what_cannot_be_audited_is_named_and_ends_with_status_1(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shard = made / "00001.arrow"
    shard.write_bytes(bytes(shard.stat().st_size))

    assert main(["data", "list", "--audit", *PLUGIN]) == 1
    assert "not audited: " in capsys.readouterr().out


def test_only_a_list_is_audited(refused: Refused) -> None:
    assert "`feedrate data list --audit`" in refused("data", "verify", "--audit")

"""A copy of a working folder: what runs there writes over nothing of the person's."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from feedrate.errors import UsageError
from feedrate.revisions import working_copy as module
from feedrate.revisions.working_copy import working_copy


def git(folder: Path, *arguments: str) -> str:
    named = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    done = subprocess.run(["git", "-C", folder, *named, *arguments], check=True, capture_output=True, text=True)
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A training with code, a checkpoint, data, links and an environment."""
    folder = tmp_path / "repository" / "training"
    for name in ("runs", "data", ".venv/bin", "__pycache__"):
        (folder / name).mkdir(parents=True)
    for name in ("train.py", "runs/last.ckpt", "data/rows.bin", ".venv/pyvenv.cfg", ".venv/bin/python"):
        (folder / name).write_text(f"my {name}")
    (tmp_path / "elsewhere").mkdir()
    (folder / "link").symlink_to("runs/last.ckpt")
    (folder / "outside").symlink_to("../../elsewhere")
    return folder


def test_what_is_written_in_the_copy_is_written_to_nothing_of_the_persons(folder: Path, tmp_path: Path) -> None:
    copy = working_copy(folder, tmp_path / "copy" / "here")
    assert copy.folder == tmp_path / "copy" / "here"
    assert copy.linked == ()
    for name in ("train.py", "runs/last.ckpt", "link", "data/rows.bin"):
        (copy.folder / name).write_text("spoilt")
    (copy.folder / "runs" / "new").write_text("new")
    assert (folder / "runs/last.ckpt").read_text() == "my runs/last.ckpt"
    assert (folder / "data/rows.bin").read_text() == "my data/rows.bin"
    assert (folder / "train.py").read_text() == "my train.py"
    assert os.listdir(folder / "runs") == ["last.ckpt"]
    assert (copy.folder / "outside").resolve() == tmp_path / "elsewhere"
    assert (copy.folder / ".venv").is_symlink()
    assert not (copy.folder / "__pycache__").exists()


def test_what_is_too_much_is_linked_oldest_first_but_no_checkpoint(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_COPIED_BYTES", 20)
    monkeypatch.setattr(module, "_share_blocks", lambda theirs, ours: False)
    for place, name in enumerate(("data/rows.bin", "data/old.bin", "data/new.bin")):
        (folder / name).write_text("0123456789")
        os.utime(folder / name, (1e9 + place, 1e9 + place))
    copy = working_copy(folder, tmp_path / "copy")
    assert (copy.linked, copy.linked_bytes) == ((Path("data/rows.bin"),), 10)
    assert (copy.folder / "data/rows.bin").samefile(folder / "data/rows.bin")
    assert not any((copy.folder / name).is_symlink() for name in ("runs/last.ckpt", "train.py", "data/old.bin"))


@pytest.mark.process
def test_a_repository_is_one_in_the_copy_too_and_what_lies_beside_the_folder_is_linked(folder: Path) -> None:
    root = folder.parent
    (root / ".gitignore").write_text("runs\ndata\n.venv\n__pycache__\nscratch\n")
    (root / "shared").mkdir()
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "first")
    (folder / "train.py").write_text("my change")
    (root / "scratch").mkdir()
    before = set(git(root, "status", "--porcelain", "--ignored").splitlines())
    copy = working_copy(folder, root / "scratch")
    assert copy.folder == root / "scratch" / "training"
    assert (copy.folder / "train.py").read_text() == "my change"
    assert git(copy.folder, "rev-parse", "HEAD") == git(root, "rev-parse", "HEAD")
    assert " M training/train.py" in git(copy.folder, "status", "--porcelain").splitlines()
    assert (copy.folder.parent / "shared").samefile(root / "shared")
    assert not (copy.folder.parent / "scratch").exists()
    assert set(git(root, "status", "--porcelain", "--ignored").splitlines()) - {"!! scratch/"} == before


def test_a_folder_within_the_folder_is_not_copied_into_itself(folder: Path) -> None:
    copy = working_copy(folder, folder / "scratch")
    expected = {".venv", "data", "link", "outside", "runs", "train.py"}
    assert {path.name for path in copy.folder.iterdir()} == expected


def test_what_holds_something_is_refused_and_left_as_it_is(folder: Path, tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine").write_text("mine")
    with pytest.raises(UsageError, match="is not empty; a copy of the working folder needs one that is"):
        working_copy(folder, full)
    with pytest.raises(UsageError, match="cannot hold a copy of the working folder"):
        working_copy(folder, full / "mine")
    with pytest.raises(UsageError, match="holds the working folder"):
        working_copy(folder, tmp_path)
    assert (full / "mine").read_text() == "mine"


def test_a_copy_that_fails_leaves_nothing(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_share_blocks", lambda theirs, ours: False)
    monkeypatch.setattr("shutil.copy2", full)
    with pytest.raises(UsageError, match=r"the working folder cannot be copied to .*No space left"):
        working_copy(folder, tmp_path / "copy")
    assert list((tmp_path / "copy").iterdir()) == []
    assert (folder / "runs/last.ckpt").read_text() == "my runs/last.ckpt"

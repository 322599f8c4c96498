"""What a file system that says no costs: the line that it did not take, and nothing older."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from feedrate.records.atomic_write import add_line, replace_text


@contextmanager
def files_of_at_most(count: int) -> Iterator[None]:
    """A limit that ends a write in the middle, as a disk does that fills up."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_line_that_does_not_fit_is_taken_back_whole(tmp_path: Path) -> None:
    path = tmp_path / "new/raw.jsonl"
    add_line(path, "first")
    with files_of_at_most(100), pytest.raises(OSError, match="too large") as caught:
        add_line(path, "x" * 200)
    assert caught.value.filename == str(path)
    assert path.read_text() == "first\n"
    add_line(path, "second")
    assert path.read_text() == "first\nsecond\n"


def test_a_line_that_a_crash_left_half_written_is_ended_first(tmp_path: Path) -> None:
    path = tmp_path / "raw.jsonl"
    path.write_text("whole\nhal")
    add_line(path, "next")
    assert path.read_text() == "whole\nhal\nnext\n"


def test_no_line_is_added_through_a_link_or_to_a_pipe(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("years of work")
    (tmp_path / "link").symlink_to(victim)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="symbolic links"):
        add_line(tmp_path / "link", "line")
    with pytest.raises(OSError, match="no regular file"):
        add_line(tmp_path / "pipe", "line")
    assert victim.read_text() == "years of work"


def test_a_text_that_does_not_fit_leaves_the_old_one_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    replace_text(path, "old")
    with files_of_at_most(100), pytest.raises(OSError, match="too large"):
        replace_text(path, "x" * 200)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_users_draft_beside_it_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "out.json.draft").write_text("years of work")
    (tmp_path / "out.draft").write_text("years of work")
    replace_text(tmp_path / "out.json", "new")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "out.json": "new",
        "out.json.draft": "years of work",
        "out.draft": "years of work",
    }


def test_a_new_text_keeps_the_permissions_of_the_old_one_and_the_links_to_it(tmp_path: Path) -> None:
    path, link = tmp_path / "out.json", tmp_path / "link"
    path.write_text("old")
    path.chmod(0o600)
    link.symlink_to(path)
    replace_text(link, "new")
    assert link.is_symlink()
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_device_stays_a_device() -> None:
    before = Path(os.devnull).stat()
    replace_text(Path(os.devnull), "text")
    assert Path(os.devnull).stat().st_ino == before.st_ino


def test_what_a_killed_writer_left_beside_a_text_is_used_up_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    killed = "import os, signal, sys; from pathlib import Path\n"
    killed += "from feedrate.records.atomic_write import replace_text\n"
    killed += "Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
    killed += "replace_text(Path(sys.argv[1]), 'x' * 99)"
    assert subprocess.run([sys.executable, "-c", killed, path], check=False).returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 1

    replace_text(path, "new")

    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]

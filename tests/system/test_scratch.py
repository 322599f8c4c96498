"""What killed processes left is removed by the next one; what is anybody else's is not."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from feedrate.runner.forkserver import FORK_SERVER, ForkServer
from feedrate.system.scratch import SHARED_MEMORY, Scratch, sweep

MAKER = """
import os, signal, sys
from pathlib import Path
from feedrate.runner.forkserver import FORK_SERVER, ForkServer
from feedrate.system.scratch import Scratch
scratch = Scratch.made(Path(sys.argv[1]))
scratch.note([os.getpid()])
(scratch.folder / "torn.bin").write_bytes(bytes(1000))
print(os.getpid(), scratch.name, flush=True)
signal.pause()
"""


@pytest.fixture
def maker(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds a folder."""
    with subprocess.Popen([sys.executable, "-c", MAKER, tmp_path], stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def told(maker: subprocess.Popen[str]) -> tuple[str, str]:
    assert maker.stdout is not None
    pid, name = maker.stdout.readline().split()
    return pid, name


def killed(maker: subprocess.Popen[str]) -> None:
    maker.send_signal(signal.SIGKILL)
    maker.wait()


@pytest.mark.process
def test_the_folder_of_a_living_process_stays_and_that_of_a_killed_one_goes(
    tmp_path: Path, maker: subprocess.Popen[str]
) -> None:
    _, name = told(maker)
    sweep(tmp_path)
    assert (tmp_path / name / "torn.bin").exists()
    killed(maker)
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.process
def test_shared_memory_goes_with_the_folder_that_it_belongs_to_and_no_other_does(
    tmp_path: Path, maker: subprocess.Popen[str]
) -> None:
    pid, name = told(maker)
    theirs = SHARED_MEMORY / f"sem.mp-{uuid.uuid4().hex[:8]}"
    neighbour = SHARED_MEMORY / f"torch_{os.getpid()}_{uuid.uuid4().hex[:8]}_0"
    ours = SHARED_MEMORY / f"sem.{name}-abc", SHARED_MEMORY / f"torch_{pid}_123_0"
    for path in (theirs, neighbour, *ours):
        path.touch()
    try:
        sweep(tmp_path)
        assert all(path.exists() for path in ours)
        killed(maker)
        sweep(tmp_path)
        assert not any(path.exists() for path in ours)
        assert theirs.exists()
        assert neighbour.exists()
    finally:
        for path in (theirs, neighbour, *ours):
            path.unlink(missing_ok=True)


def test_what_a_user_named_like_ours_is_never_removed(tmp_path: Path) -> None:
    thesis = tmp_path / "feedrate-thesis/years.txt"
    thesis.parent.mkdir()
    thesis.write_text("of work")
    linked = tmp_path / "elsewhere"
    with Scratch.made(tmp_path) as scratch:
        scratch.folder.rename(linked)
        (tmp_path / "feedrate-link").symlink_to(linked)
    (tmp_path / "feedrate-file").touch()

    sweep(tmp_path)

    assert thesis.read_text() == "of work"
    assert linked.is_dir()
    assert (tmp_path / "feedrate-file").exists()


@pytest.mark.process
def test_a_link_to_what_a_killed_process_left_is_not_followed(tmp_path: Path, maker: subprocess.Popen[str]) -> None:
    _, name = told(maker)
    killed(maker)
    here = tmp_path / "here"
    here.mkdir()
    (here / "feedrate-link").symlink_to(tmp_path / name)
    sweep(here)
    assert (tmp_path / name / "torn.bin").exists()


def test_folders_beside_a_data_set_go_by_its_name(tmp_path: Path) -> None:
    with Scratch.made(tmp_path, "x[1].partial-") as scratch:
        assert scratch.folder.name.startswith("x[1].partial-")
    for name in ("x[1].partial-notes", "x[1].partial-999999999"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "thesis.txt").write_text("years of work")
    before = sorted(tmp_path.rglob("*"))
    sweep(tmp_path, prefix="x[1].partial-")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_whose_maker_was_killed_before_it_was_marked_goes_if_nothing_is_in_it(tmp_path: Path) -> None:
    empty, drafted, full = (tmp_path / f"feedrate-{letter * 8}-4194305" for letter in "abc")
    for folder in (empty, drafted, full):
        folder.mkdir()
    (drafted / ".feedrate-owner.draft").touch()
    (full / "thesis.txt").write_text("years of work")
    alive = tmp_path / f"feedrate-dddddddd-{os.getpid()}"
    alive.mkdir()
    sweep(tmp_path)
    assert sorted(tmp_path.iterdir()) == [full, alive]


def test_a_folder_that_could_not_be_removed_whole_is_swept_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch, Scratch.made(tmp_path) as scratch:
        (scratch.folder / "deep").mkdir()
        patch.setattr("shutil.rmtree", failing)
    assert (scratch.folder / "deep").is_dir()

    sweep(tmp_path)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.process
def test_many_that_make_and_sweep_at_a_time_take_nothing_from_each_other(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from feedrate.system.scratch import Scratch, sweep
for _ in range(300):
    with Scratch.made(Path(sys.argv[1])) as scratch:
        (scratch.folder / "mine").touch()
        sweep(Path(sys.argv[1]))
        assert (scratch.folder / "mine").exists()
"""
    makers = [subprocess.Popen([sys.executable, "-c", script, tmp_path]) for _ in range(3)]
    assert [maker.wait(timeout=60) for maker in makers] == [0, 0, 0]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_gone_when_it_is_left(tmp_path: Path) -> None:
    with Scratch.made(tmp_path) as scratch:
        (scratch.folder / "deep/er").mkdir(parents=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.process
def test_a_run_that_shares_a_fork_server_sweeps_as_well(
    tmp_path: Path, maker: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, name = told(maker)
    killed(maker)
    with ForkServer.made() as shared:
        monkeypatch.setattr("feedrate.system.scratch.short_folder", lambda: tmp_path)
        with ForkServer.opened({FORK_SERVER: str(shared.folder)}):
            assert not (tmp_path / name).exists()


@pytest.mark.parametrize("call", ["flock", "write", "rename"])
def test_ctrl_c_while_a_folder_is_made_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    owner = {"flock": fcntl, "write": os, "rename": Path}[call]
    monkeypatch.setattr(owner, call, interrupted)
    descriptors = len(os.listdir("/proc/self/fd"))
    with pytest.raises(KeyboardInterrupt):
        Scratch.made(tmp_path)

    assert list(tmp_path.iterdir()) == []
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_ctrl_c_while_a_folder_is_removed_removes_it_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = Scratch.made(tmp_path)
    for name in ("first", "second"):
        (scratch.folder / name).touch()
    unlink, calls = Path.unlink, []

    def once_interrupted(path: Path, missing_ok: bool = False) -> None:
        calls.append(path)
        if len(calls) == 1:
            raise KeyboardInterrupt
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", once_interrupted)
    with pytest.raises(KeyboardInterrupt):
        scratch.remove()

    assert list(tmp_path.iterdir()) == []

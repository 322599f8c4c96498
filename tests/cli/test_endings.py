"""Whatever ends a run: what there is is printed, the status says so, and nothing is left for long."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from feedrate.runner.forkserver import FORK_SERVER
from feedrate.system.procfs import alive, process_tree
from tests.support import PLUGINS, ROOT
from tests.support.asv_project import Project
from tests.support.commands import feedrate

pytestmark = pytest.mark.process

PLUGIN = PLUGINS / "offered.py"
SECOND = ("sums", "--loader", "plain", "--loader", "plain[depth=4]", "--loader", "inline", "--step", "train")
NAMED = ("--order", "named")
QUICK = ("--plugin", str(PLUGIN), "--size", "tiny", "--device", "cpu", "--seconds", "0.3")


@pytest.fixture
def scratch() -> Iterator[Path]:
    """An empty folder for temporary files, with a path in which sockets have room."""
    with tempfile.TemporaryDirectory(prefix="t-") as folder:
        yield Path(folder)


@contextmanager
def begun(folder: Path, *arguments: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """The command line, started in a folder."""
    with subprocess.Popen(
        [sys.executable, "-m", "feedrate", *arguments],
        cwd=folder,
        # With a fork server of its own, as a user has: that it ends, too, is asked here.
        env={**os.environ, FORK_SERVER: "", **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def until(happened: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def first_line(process: subprocess.Popen[str], text: str) -> None:
    """Wait for a line on standard error."""
    assert process.stderr is not None
    assert any(text in line for line in iter(process.stderr.readline, "")), f"no line with {text!r}"


def fork_server(process: subprocess.Popen[str]) -> int:
    """The process that imported torch."""
    for pid in process_tree(process.pid):
        with suppress(OSError):
            started_by = f"\nPPid:\t{process.pid}\n" in Path(f"/proc/{pid}/status").read_text()
            if started_by and b"feedrate.metering.forkserver_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
    raise AssertionError("no fork server")


def records(folder: Path) -> list[dict[str, object]]:
    (raw,) = (folder / "results/raw").glob("*.jsonl")
    return [json.loads(line) for line in raw.read_text().splitlines()]


def test_a_run_whose_fork_server_is_killed_measures_every_cell(tmp_path: Path, scratch: Path) -> None:
    with begun(tmp_path, "run", "--once", *NAMED, *SECOND, *QUICK, TMPDIR=str(scratch)) as process:
        first_line(process, "plain/train/cpu: ")
        os.kill(fork_server(process), signal.SIGKILL)
        told, complaints = process.communicate(timeout=60)
    assert process.returncode == 0, complaints
    assert [record["kind"] for record in records(tmp_path)] == ["measurement"] * 3
    assert sum(line.startswith("train") for line in told.splitlines()) == 3
    assert list(scratch.iterdir()) == []


def test_an_error_amid_a_run_prints_what_there_is_and_is_the_status(tmp_path: Path, scratch: Path) -> None:
    with begun(
        tmp_path, "run", "--once", *NAMED, *SECOND, *QUICK, PYTHONPATH=_first(tmp_path), TMPDIR=str(scratch)
    ) as process:
        first_line(process, "plain/train/cpu: ")
        (tmp_path / "torch.py").write_text("raise ImportError('libnothing.so is not here')")
        os.kill(fork_server(process), signal.SIGKILL)
        told, complaints = process.communicate(timeout=60)
    assert process.returncode == 2
    (line,) = (line for line in complaints.splitlines() if line.startswith("feedrate: "))
    assert line.startswith(
        "feedrate: torch could not be imported for measuring: ImportError: libnothing.so is not here"
    )
    assert line.endswith("this is what there is")
    assert 1 <= sum(line.startswith("train") for line in told.splitlines()) < 3
    assert list(scratch.iterdir()) == []


def _first(folder: Path) -> str:
    return os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])


@pytest.mark.parametrize(
    ("command", "begins"),
    [
        (("run", "sums", "--loader", "plain", "--loader", "stuck", "--step", "train", *NAMED), "plain/train/cpu: "),
        (("why", "sums/plain/train", "sums/stuck/train", "--replicates", "1"), "plain/train/cpu: "),
    ],
)
def test_a_killed_command_leaves_no_process_and_the_next_one_removes_its_folders(
    tmp_path: Path, scratch: Path, command: tuple[str, ...], begins: str
) -> None:
    with begun(tmp_path, *command, *QUICK, TMPDIR=str(scratch)) as process:
        first_line(process, begins)
        until(lambda: len(list(scratch.glob("feedrate-*/request.json"))))
        family = set(process_tree(process.pid))
        process.kill()
        process.communicate()
    until(lambda: not alive(family))
    assert list(scratch.iterdir())

    done = feedrate(tmp_path, "run", "sums", "--loader", "needy", *SECOND[-2:], *QUICK, TMPDIR=str(scratch))

    assert "nothing was measured" in done.stderr
    assert list(scratch.iterdir()) == []
    assert not [path for path in Path("/dev/shm").glob("feedrate-*") if _is_of(path, process.pid)]


def _is_of(folder: Path, pid: int) -> bool:
    with suppress(OSError):
        return int((folder / ".feedrate-owner").read_text()) == pid
    return False


@pytest.mark.timeout(180)
@pytest.mark.parametrize("serves", [False, True])
def test_a_killed_bench_ends_asv_and_all_that_asv_measures(tmp_path: Path, serves: bool) -> None:
    project = Project.make(tmp_path)
    project.commit({"inline": "wait"}, ["inline"], serves=serves)
    matrix = {"workloads": {"boardmoves": "1"}, "loaders": ["inline"], "steps": ["none"]}
    project.write("benchmarks/matrix.json", json.dumps(matrix))
    with subprocess.Popen(
        [sys.executable, "-m", "feedrate", "bench", "--size", "tiny", "--device", "cpu"],
        cwd=project.folder,
        env={**os.environ, "HOME": str(project.home), "PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as bench:
        waits = project.folder / "waits"
        try:
            until(lambda: waits.exists() or bench.poll() is not None, 120)
            family = set(process_tree(bench.pid)) - {bench.pid}
            assert int(waits.read_text()) in family
        finally:
            bench.kill()
    until(lambda: not alive(family))

"""What is started under a guard ends with whoever started it, and ends as it would have without one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from feedrate.system import guard
from feedrate.system.guard_main import GUARD
from feedrate.system.procfs import alive

DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open(sys.argv[1], "w").write(str(os.getpid()) + "\\n")
        time.sleep(1000)
    os._exit(0)
os.wait()
"""
WAITING = DAEMON + "time.sleep(1000)"
OWNER = "import subprocess, sys; from feedrate.system.guard import bound; subprocess.run(bound(sys.argv[1:]))"


def until(happened: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def written(file: Path) -> int:
    """The pid that a daemon wrote."""
    until(lambda: file.exists() and file.read_text().endswith("\n"))
    return int(file.read_text())


def test_a_killed_owner_takes_along_what_it_started_and_its_daemons(tmp_path: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, sys.executable, "-c", WAITING, str(tmp_path / "pid")])
    daemon = written(tmp_path / "pid")
    owner.kill()
    owner.wait()
    until(lambda: not alive([daemon]))


@pytest.mark.parametrize("status", [0, 7, -signal.SIGKILL, -40])
def test_the_status_is_that_of_the_command(status: int) -> None:
    code = f"import os; os._exit({status})" if status >= 0 else f"import os; os.kill(os.getpid(), {-status})"
    assert guard.run([sys.executable, "-c", code]).returncode == status


def test_what_a_command_leaves_running_ends_with_it_unless_it_looks_after_it_itself(tmp_path: Path) -> None:
    command = [sys.executable, "-c", DAEMON]
    guard.run([*command, str(tmp_path / "ended")], stdout=None, stderr=None)
    assert not alive([written(tmp_path / "ended")])
    guard.run([*command, str(tmp_path / "kept")], lone=True, stdout=None, stderr=None)
    kept = written(tmp_path / "kept")
    assert alive([kept])
    os.kill(kept, signal.SIGKILL)


def test_a_command_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        guard.run([sys.executable, "-c", WAITING, str(tmp_path / "pid")], timeout=2, stdout=None, stderr=None)
    assert not alive([written(tmp_path / "pid")])


def test_a_command_that_is_not_there_is_an_exit_status() -> None:
    done = guard.run(["/nowhere/to/be/found"])
    assert done.returncode == 127
    assert "/nowhere/to/be/found" in done.stderr


def test_a_guard_is_known_by_its_command_and_nothing_else_is(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with guard.Guarded.started(["sh", "-c", "echo runs; sleep 30"], log, os.environ) as child:
        until(lambda: "runs" in log.read_text())
        above = psutil.Process(child.pid).ppid()
        assert GUARD in Path(f"/proc/{above}/cmdline").read_bytes()
        assert GUARD not in Path(f"/proc/{child.pid}/cmdline").read_bytes()
    assert not psutil.pid_exists(above)

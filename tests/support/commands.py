"""The command line in a process of its own, as a user starts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from feedrate.cli import main

_COMMAND = (sys.executable, "-m", "feedrate")


def feedrate(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run it in `folder`, and wait."""
    return patient(110, folder, *arguments, **variables)


def patient(timeout_s: float, folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Do the same, and wait as long as is said."""
    return subprocess.run(
        [*_COMMAND, *arguments],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def refused(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command in this process that is a mistake of the user's, and give the one line that it says."""
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


class Interrupted(NamedTuple):
    """What is left of a command after Ctrl-C."""

    pid: int
    status: int
    told: str
    """All of its standard output."""
    complaints: str
    """What it wrote to standard error after the line that was waited for."""


def interrupted(folder: Path, until: str, *arguments: str) -> Interrupted:
    """Run it in `folder`, and interrupt it when a line on standard error holds `until`."""
    with subprocess.Popen(
        [*_COMMAND, *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert any(until in line for line in iter(process.stderr.readline, "")), f"no line with {until!r}"
        process.send_signal(signal.SIGINT)
        told, complaints = process.communicate(timeout=60)
    return Interrupted(process.pid, process.returncode, told, complaints)

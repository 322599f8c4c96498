"""A real browser without a network: what a page shows once its scripts have run, and what it complains of."""

from __future__ import annotations

import shutil
import subprocess
from typing import NamedTuple

import pytest

__all__ = ["Opened", "opened", "opened_with_console"]

_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--virtual-time-budget=10000"),
)


class Opened(NamedTuple):
    """A page that was opened."""

    shown: str
    """Its elements as they are in the end."""
    console: tuple[str, ...]
    """Lines that the browser wrote to its console."""


def opened(address: str) -> str:
    """What a browser without a network shows once its scripts have run."""
    return opened_with_console(address).shown


def opened_with_console(address: str, *flags: str) -> Opened:
    """Do the same, and hear what is complained of."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    command = [chromium, *_FLAGS, "--enable-logging=stderr", *flags, "--dump-dom", address]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100)
    return Opened(done.stdout, tuple(line for line in done.stderr.splitlines() if "CONSOLE" in line))

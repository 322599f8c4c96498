"""Try an import in a child process, once for this process and all that it starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from tempfile import TemporaryFile

from feedrate.system.signals import end_of

__all__ = ["import_fault"]

_TRIED = "FEEDRATE_TRIED_IMPORTS"
"""Variable that holds what came of each import that was tried, as JSON: it goes to all that this process starts."""
_LONGEST_S = 120.0
_LONGEST_LINE = 300
_IMPORTED = 42
"""Exit status: a package that calls `sys.exit` as it is imported has another one."""
_CHILD = """
import importlib, json, os, sys
sys.path[:] = json.loads(sys.argv[2])
importlib.import_module(sys.argv[1])
os._exit(int(sys.argv[3]))
"""


def import_fault(module: str, path: Iterable[str]) -> str:
    """Say why a module cannot be imported from `path`, in one line; empty: it can.

    Nothing that it does when it is imported reaches this process: what it prints is dropped, and of what it complains
    of the last line is kept.
    """
    tried: dict[str, str] = json.loads(os.environ.get(_TRIED) or "{}")
    # Processes of another commit have packages of their own.
    key = f"{sys.prefix}:{module}"
    if key not in tried:
        tried[key] = _fault(module, path)
        os.environ[_TRIED] = json.dumps(tried)
    return tried[key]


def _fault(module: str, path: Iterable[str]) -> str:
    command = [sys.executable, "-c", _CHILD, module, json.dumps([*path]), str(_IMPORTED)]
    # A file, not a pipe: a process that the package starts may hold on to it.
    with TemporaryFile() as complaints:
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=complaints) as child:
            try:
                status = child.wait(_LONGEST_S)
            except subprocess.TimeoutExpired:
                return f"it takes more than {_LONGEST_S:g} s"
            finally:
                child.kill()
        complaints.seek(0)
        lines = complaints.read().decode(errors="replace").split("\n")
    if status == _IMPORTED:
        return ""
    last = next((" ".join(line.split()) for line in reversed(lines) if line.strip()), "")
    # Of an exception that nobody caught Python says all there is to say.
    end = "" if status == 1 and last else f"its process {end_of(status)}"
    return "; ".join(filter(None, (last[:_LONGEST_LINE], end)))

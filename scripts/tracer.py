"""Run a script whose steps are marked under the tracer traceml-ai (`pip install traceml-ai`), and print its summary.

`tracer.py SECONDS MODULES SCRIPT ARGUMENT...`: in an empty folder, with the folder `MODULES` on Python's path; the
summary is JSON. One line on standard error and status 1 where there is none, or not after so many seconds.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from subprocess import DEVNULL, PIPE
from tempfile import TemporaryDirectory

_END_S = 30
"""What the tracer may take to end."""


def summary_of(deadline_s: int, modules: str, script: str, *arguments: str) -> str:
    command = [sys.executable, "-m", "traceml_ai.launcher.cli", "run", "--run-name", "traced", "--logs-dir", "logs"]
    environ = os.environ | {"PYTHONPATH": os.pathsep.join([modules, os.environ.get("PYTHONPATH", "")])}
    with TemporaryDirectory() as folder:
        traced = [*command, script, "--args", *arguments]
        with subprocess.Popen(traced, cwd=folder, env=environ, stdout=DEVNULL, stderr=PIPE, text=True) as process:
            try:
                _, told = process.communicate(timeout=deadline_s)
            except subprocess.TimeoutExpired:
                # Asked to end, it ends the process that it keeps its numbers in; killed, it would leave that behind.
                process.terminate()
                process.communicate(timeout=_END_S)
                raise SystemExit(f"still running after {deadline_s} s") from None
        summary = Path(folder) / "logs/traced/final_summary.json"
        if not summary.is_file():
            raise SystemExit((told.strip().splitlines() or ["no summary"])[-1])
        return summary.read_text()


if __name__ == "__main__":
    print(summary_of(int(sys.argv[1]), *sys.argv[2:]))

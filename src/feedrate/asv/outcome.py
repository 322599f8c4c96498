"""One sample of one cell: the code of the commit under test, in a fresh interpreter, asked over its command line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Outcome", "outcome"]

_PATIENCE_S = 30
"""Seconds `feedrate run` has, past its own deadline, to reap its children and write down the failure."""
_UNKNOWN = ("No module named feedrate", "unrecognized arguments", "invalid choice")
"""What a commit older than this command line prints."""


@dataclass(frozen=True)
class Outcome:
    """What came of one sample: the numbers, or why there are none."""

    metrics: Mapping[str, float | None] = field(default_factory=dict)
    kind: str = ""
    """Empty, or the kind of the failure; `unavailable` is n/a for asv, every other kind is a failed benchmark."""
    reason: str = ""

    @classmethod
    def read(cls, document: Mapping[str, object]) -> Outcome:
        """Read what `feedrate run --out` wrote."""
        metrics, failure = document.get("metrics"), document.get("failure")
        if isinstance(failure, dict):
            return cls(kind=str(failure.get("kind")), reason=str(failure.get("reason")))
        return cls(metrics) if isinstance(metrics, dict) else cls(kind="invalid", reason="no metrics and no failure")


def outcome(cell: str, replicate: int, folder: Path, deadline_s: int) -> dict[str, object]:
    """Measure one sample and give the document that `feedrate run` wrote, or one that says why it wrote none.

    The interpreter is ours, so in asv's environment it is the one of the commit; the log stays in `folder`.
    """
    out, log = folder / "out.json", folder / "run.log"
    command = [sys.executable, "-m", "feedrate", "run", "--cell", cell]
    out.unlink(missing_ok=True)
    options = ["--replicate", str(replicate), "--deadline-s", str(deadline_s), "--out", str(out), "--quiet"]
    with log.open("wb") as sink:
        status = _status([*command, *options], folder, sink.fileno(), deadline_s)
    try:
        document = json.loads(out.read_text())
    except (OSError, ValueError):
        document = {"failure": _silence(status, log)}
    return document if isinstance(document, dict) else {}


def _status(command: list[str], folder: Path, sink: int, deadline_s: int) -> int:
    # Not a pipe: a worker left behind would hold it open, and asv would call a finished benchmark timed out.
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink) as process:
        try:
            return process.wait(deadline_s + _PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.terminate()
            return _reaped(process)


def _reaped(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _silence(status: int, log: Path) -> dict[str, str]:
    text = log.read_text(errors="replace")
    last = (text.strip().splitlines() or ["it printed nothing"])[-1]
    kind = "unavailable" if any(sign in text for sign in _UNKNOWN) else "exception"
    return {
        "kind": kind,
        "reason": f"feedrate run ended with status {status} and no result: {last}",
        "log": text[-4000:],
    }

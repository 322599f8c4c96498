"""One sample of one cell: the code of the commit under test, in a fresh process, asked over its command line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from feedrate.asv.settings import PATIENCE_S, Settings

__all__ = ["Outcome", "outcome"]

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


def outcome(settings: Settings, cell: str, replicate: int, folder: Path) -> dict[str, object]:
    """Measure one sample and give the document that `feedrate run` wrote, or one that says why it wrote none.

    The interpreter is ours, so in asv's environment it is the one of the commit. `folder` is for what it writes.
    """
    out, log = folder / "out.json", folder / "run.log"
    out.unlink(missing_ok=True)
    with log.open("wb") as sink:
        status = _status(_command(settings, cell, replicate, out), settings, sink.fileno())
    try:
        document = json.loads(out.read_text())
    except (OSError, ValueError):
        return _silence(settings, cell, replicate, status, log.read_text(errors="replace"))
    return document if isinstance(document, dict) else {}


def _command(settings: Settings, cell: str, replicate: int, out: Path) -> list[str]:
    # -P: the folder it is started in is a checkout, of which nothing is to be imported.
    command = [sys.executable, "-P", "-m", "feedrate", "run", "--cell", cell, "--replicate", str(replicate)]
    command += ["--deadline-s", str(settings.deadline_s), "--out", str(out), "--quiet"]
    return [*command, "--results", str(settings.raw), "--logs", str(settings.logs)]


def _status(command: list[str], settings: Settings, sink: int) -> int:
    folder = settings.checkout if settings.checkout.is_dir() else None
    # Not a pipe: a worker left behind would hold it open, and asv would call a finished benchmark timed out.
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink) as process:
        try:
            return process.wait(settings.deadline_s + PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.terminate()
            return _reaped(process)


def _reaped(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(PATIENCE_S / 10)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _silence(settings: Settings, cell: str, replicate: int, status: int, said: str) -> dict[str, object]:
    from feedrate.measurement import Failure, append
    from feedrate.report.document import document

    last = (said.strip().splitlines() or ["it printed nothing"])[-1]
    failure = Failure(
        cell=cell,
        run=settings.run,
        replicate=replicate,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        environment={"git": {"commit": settings.commit}},
        log="",
        why="unavailable" if any(sign in said for sign in _UNKNOWN) else "exception",
        reason=f"feedrate run ended with status {status} and no result: {last}",
    )
    append(settings.raw / f"{settings.run}.jsonl", failure)
    return document(failure)

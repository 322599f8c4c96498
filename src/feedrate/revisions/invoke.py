"""Measure one sample of a cell with the code of a commit, in a fresh process, over its command line."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from feedrate.revisions.call import PATIENCE_S, Invocation
from feedrate.system.guard import bound

__all__ = ["CellDocument", "ended", "environment", "feedrate_run", "run_cell", "written"]

_UNKNOWN = ("No module named feedrate", "unrecognized arguments", "invalid choice")
"""What a commit older than this command line prints."""


@dataclass(frozen=True)
class CellDocument:
    """What `feedrate run --out` wrote of one sample: the numbers, or why there are none."""

    metrics: Mapping[str, float | None] = field(default_factory=dict)
    kind: str = ""
    """Empty, or the kind of the failure; `unavailable` is n/a for asv, every other kind is a failed benchmark."""
    reason: str = ""
    log: str = ""
    """Of a failure: the path of what its processes wrote; empty: nothing."""

    @classmethod
    def read(cls, document: Mapping[str, object]) -> CellDocument:
        """Read what `feedrate run --out` wrote."""
        metrics, failure = document.get("metrics"), document.get("failure")
        if isinstance(failure, dict):
            reason, log = str(failure.get("reason")), str(failure.get("log") or "")
            return cls(kind=str(failure.get("kind")), reason=reason, log=log)
        return cls(metrics) if isinstance(metrics, dict) else cls(kind="invalid", reason="no metrics and no failure")

    @property
    def document(self) -> dict[str, object]:
        """Give it as JSON can hold it; `read` makes the same of it again."""
        if self.kind:
            return {"failure": {"kind": self.kind, "reason": self.reason, "log": self.log}}
        return {"metrics": dict(self.metrics)}


def run_cell(invocation: Invocation, cell: str, replicate: int, folder: Path) -> dict[str, object]:
    """Measure one sample and give the document that `feedrate run` wrote, or one that says why it wrote none.

    `folder` is for what it writes.
    """
    out, log = folder / "out.json", folder / "run.log"
    out.unlink(missing_ok=True)
    with log.open("wb") as sink:
        status = _status(_command(invocation, cell, replicate, out), invocation, sink.fileno())
    return written(out, log, invocation, cell, replicate, status)


def written(out: Path, log: Path, invocation: Invocation, cell: str, replicate: int, status: int) -> dict[str, object]:
    """Give the document that `feedrate run` wrote, or one that says why it wrote none, which is kept as a failure."""
    try:
        document = json.loads(out.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return _silence(invocation, cell, replicate, status, log.read_text(errors="replace"))
    return document if isinstance(document, dict) else {}


def feedrate_run(invocation: Invocation) -> list[str]:
    """Give the command that all calls of the commit's `feedrate run` have in common."""
    # -P: the folder it is started in is a checkout, of which nothing is to be imported.
    command = [invocation.python, "-P", "-m", "feedrate", "run", "--deadline-s", str(invocation.deadline_s), "--quiet"]
    return [*command, "--results", str(invocation.raw), "--logs", str(invocation.logs), *invocation.options]


def _command(invocation: Invocation, cell: str, replicate: int, out: Path) -> list[str]:
    return [*feedrate_run(invocation), "--cell", cell, "--replicate", str(replicate), "--out", str(out)]


def _status(command: list[str], invocation: Invocation, sink: int) -> int:
    folder = invocation.checkout if invocation.checkout.is_dir() else None
    # Not a pipe: a worker left behind would hold it open, and asv would call a finished benchmark timed out.
    with subprocess.Popen(
        bound(command, lone=True),
        cwd=folder,
        env=environment(invocation),
        stdin=subprocess.DEVNULL,
        stdout=sink,
        stderr=sink,
    ) as process:
        try:
            return process.wait(invocation.deadline_s + PATIENCE_S)
        except subprocess.TimeoutExpired:
            return ended(process)
        except KeyboardInterrupt:
            ended(process)
            raise


def environment(invocation: Invocation) -> dict[str, str]:
    """Give the variables for a program of the commit: ours, but not the folders that we import from."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | dict(invocation.variables)


def ended(process: subprocess.Popen[bytes]) -> int:
    """End a process, and give its exit status."""
    process.terminate()
    try:
        return process.wait(PATIENCE_S / 10)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _silence(invocation: Invocation, cell: str, replicate: int, status: int, output: str) -> dict[str, object]:
    from feedrate.records.document import document
    from feedrate.records.measurement import Failure
    from feedrate.records.raw_results import append

    last = (output.strip().splitlines() or ["it printed nothing"])[-1]
    failure = Failure(
        cell=cell,
        run=invocation.run,
        replicate=replicate,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        environment={"git": {"commit": invocation.commit}},
        log="",
        why="unavailable" if any(sign in output for sign in _UNKNOWN) else "exception",
        reason=f"feedrate run ended with status {status} and no result: {last}",
    )
    append(invocation.raw / f"{invocation.run}.jsonl", failure)
    return document(failure)

"""One sample of one cell: the code of the commit under test, in a fresh process, asked over its command line."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from feedrate.revisions.call import PATIENCE_S, Call
from feedrate.system.guard import bound

__all__ = ["Outcome", "environment", "outcome"]

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

    @property
    def document(self) -> dict[str, object]:
        """What `read` makes this of again, as JSON can hold it."""
        if self.kind:
            return {"failure": {"kind": self.kind, "reason": self.reason}}
        return {"metrics": dict(self.metrics)}


def outcome(call: Call, cell: str, replicate: int, folder: Path) -> dict[str, object]:
    """Measure one sample and give the document that `feedrate run` wrote, or one that says why it wrote none.

    `folder` is for what it writes.
    """
    out, log = folder / "out.json", folder / "run.log"
    out.unlink(missing_ok=True)
    with log.open("wb") as sink:
        status = _status(_command(call, cell, replicate, out), call, sink.fileno())
    try:
        document = json.loads(out.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return _silence(call, cell, replicate, status, log.read_text(errors="replace"))
    return document if isinstance(document, dict) else {}


def _command(call: Call, cell: str, replicate: int, out: Path) -> list[str]:
    # -P: the folder it is started in is a checkout, of which nothing is to be imported.
    command = [call.python, "-P", "-m", "feedrate", "run", "--cell", cell, "--replicate", str(replicate)]
    command += ["--deadline-s", str(call.deadline_s), "--out", str(out), "--quiet"]
    return [*command, "--results", str(call.raw), "--logs", str(call.logs), *call.options]


def _status(command: list[str], call: Call, sink: int) -> int:
    folder = call.checkout if call.checkout.is_dir() else None
    # Not a pipe: a worker left behind would hold it open, and asv would call a finished benchmark timed out.
    with subprocess.Popen(
        bound(command, lone=True), cwd=folder, env=environment(call), stdin=subprocess.DEVNULL, stdout=sink, stderr=sink
    ) as process:
        try:
            return process.wait(call.deadline_s + PATIENCE_S)
        except subprocess.TimeoutExpired:
            return _ended(process)
        except KeyboardInterrupt:
            _ended(process)
            raise


def environment(call: Call) -> dict[str, str]:
    """Variables for a program of the commit: ours, but not the folders that we import from."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | dict(call.variables)


def _ended(process: subprocess.Popen[bytes]) -> int:
    process.terminate()
    try:
        return process.wait(PATIENCE_S / 10)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _silence(call: Call, cell: str, replicate: int, status: int, said: str) -> dict[str, object]:
    from feedrate.records.document import document
    from feedrate.records.measurement import Failure, append

    last = (said.strip().splitlines() or ["it printed nothing"])[-1]
    failure = Failure(
        cell=cell,
        run=call.run,
        replicate=replicate,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        environment={"git": {"commit": call.commit}},
        log="",
        why="unavailable" if any(sign in said for sign in _UNKNOWN) else "exception",
        reason=f"feedrate run ended with status {status} and no result: {last}",
    )
    append(call.raw / f"{call.run}.jsonl", failure)
    return document(failure)

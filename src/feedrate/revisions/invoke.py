"""Measure one sample of a cell with the code of a commit, in a fresh process, over its command line."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from feedrate.revisions.call import NO_CONFIG, PATIENCE_S, Invocation
from feedrate.system.guard import bound
from feedrate.system.stopwatch import now_s

__all__ = [
    "CellDocument",
    "RunningCell",
    "RunningCommand",
    "ended",
    "environment",
    "feedrate_run",
    "run_cell",
    "written",
]

_OUT, _LOG = "out.json", "run.log"
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


@dataclass(frozen=True)
class RunningCommand:
    """A command of some feedrate, in a process that ends with this one."""

    process: subprocess.Popen[bytes]
    until_s: float
    """When it is ended, by the clock of `now_s`."""

    @classmethod
    def started(
        cls, command: Sequence[str], invocation: Invocation, out: IO[bytes], err: IO[bytes], standing_s: float = 0.0
    ) -> RunningCommand:
        """Start it where the invocation says; `standing_s`: the longest that others may have it stand still.

        Its output goes to files, not to pipes: a worker left behind would hold one open, and asv would call what has
        finished timed out.
        """
        process = subprocess.Popen(
            bound(list(command), lone=True),
            cwd=invocation.checkout if invocation.checkout.is_dir() else None,
            env=environment(invocation),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
        return cls(process, now_s() + invocation.deadline_s + PATIENCE_S + standing_s)

    @property
    def is_running(self) -> bool:
        """Whether it still does; one that takes too long is ended here."""
        if self.process.poll() is None and now_s() > self.until_s:
            self.end()
        return self.process.returncode is None

    def wait(self) -> int:
        """Wait for its end, and give its status; Ctrl-C ends it."""
        with self.process:
            try:
                self.process.wait(max(0.0, self.until_s - now_s()))
            except subprocess.TimeoutExpired:
                self.end()
            except KeyboardInterrupt:
                self.end()
                raise
        return self.process.returncode

    def end(self) -> None:
        """End it, if it runs."""
        if self.process.poll() is None:
            ended(self.process)


@dataclass(frozen=True)
class RunningCell:
    """One sample of a cell that `feedrate run` measures in a process of its own."""

    invocation: Invocation
    cell: str
    replicate: int
    folder: Path
    """For what it writes."""
    command: RunningCommand

    @classmethod
    def started(
        cls, invocation: Invocation, cell: str, replicate: int, folder: Path, standing_s: float = 0.0
    ) -> RunningCell:
        """Start it; `folder` is for what it writes, `standing_s` the longest that others may have it stand still."""
        out = folder / _OUT
        out.unlink(missing_ok=True)
        words = ["--cell", cell, "--replicate", str(replicate), "--out", str(out)]
        with (folder / _LOG).open("wb") as sink:
            command = RunningCommand.started([*feedrate_run(invocation), *words], invocation, sink, sink, standing_s)
        return cls(invocation, cell, replicate, folder, command)

    @property
    def is_running(self) -> bool:
        """Whether it still measures; one that takes too long is ended here."""
        return self.command.is_running

    def waited(self) -> dict[str, object]:
        """Wait for its end, and give what it wrote, or a document that says why it wrote nothing; Ctrl-C ends it."""
        status, out, log = self.command.wait(), self.folder / _OUT, self.folder / _LOG
        return written(out, log, self.invocation, self.cell, self.replicate, status)

    def end(self) -> None:
        """End it, if it runs."""
        self.command.end()


def run_cell(invocation: Invocation, cell: str, replicate: int, folder: Path) -> dict[str, object]:
    """Measure one sample and give the document that `feedrate run` wrote, or one that says why it wrote none.

    `folder` is for what it writes.
    """
    return RunningCell.started(invocation, cell, replicate, folder).waited()


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


def environment(invocation: Invocation) -> dict[str, str]:
    """Give the variables for a program of the commit: ours, but not the folders that we import from, and no file."""
    ours = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return ours | {NO_CONFIG: "1"} | dict(invocation.variables)


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

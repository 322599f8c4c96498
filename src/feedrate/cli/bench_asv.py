"""Run asv for `feedrate bench`, show what comes of it as it comes, and have it write its pages."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from feedrate.asv.machine import write
from feedrate.asv.site import needs_network
from feedrate.cli.bench_cells import asv_selection
from feedrate.cli.context import CommandContext
from feedrate.errors import UnavailableError
from feedrate.plugin.cell import Cell
from feedrate.records.jsonl import Unreadable
from feedrate.records.measurement import Failure, Outcome
from feedrate.records.raw_results import read
from feedrate.report.progress import run_progress
from feedrate.system.guard import bound
from feedrate.system.guard import run as bound_run
from feedrate.system.scratch import Scratch, sweep
from feedrate.system.signals import signal_name

__all__ = ["ASV", "LOGS", "publish", "run_asv"]

LOGS, ASV = Path("logs"), Path(".asv")
_LOOK_S = 0.5
"""Between two looks at what asv has measured so far."""


def run_asv(ready: Sequence[Cell], replicates: int, shell: CommandContext, chosen: Mapping[str, str], raw: Path) -> int:
    """Run asv, and show what comes of it as it comes: 0, or 1 when a cell failed.

    Raises:
        UnavailableError: asv measured nothing, or was ended.
    """
    command = [sys.executable, "-m", "asv", "run", "HEAD^!", "--machine", write(), "--record-samples"]
    command += ["--bench", asv_selection(ready)]
    log = LOGS / raw.stem / "asv.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    total, came = len(ready) * replicates, 0
    sweep()
    with Scratch.made() as scratch, log.open("wb") as sink, run_progress(shell.err, quiet=False) as progress:
        environment = dict(shell.environ) | dict(chosen) | {
            "FEEDRATE_REPLICATES": str(replicates), "FEEDRATE_DATA": str(shell.data.resolve()),
            # A killed asv leaves temporary files that nobody but us knows for its own.
            "TMPDIR": str(scratch.folder),
        }  # fmt: skip
        process = subprocess.Popen(bound(command), env=environment, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink)
        try:
            progress.begin("asv builds its environment", total)
            for outcome in _following(raw, process):
                came += 1
                progress.end(outcome)
                progress.begin("", total - came)
        finally:
            process.terminate()
            process.wait()
    if not came:
        raise UnavailableError(f"bench: asv measured nothing (status {process.returncode}); {log} says why")
    if process.returncode < 0:
        by = signal_name(-process.returncode)
        raise UnavailableError(f"bench: asv was ended by {by} after {came} of {total} measurements; {log} says more")
    return int(any(map(_has_failed, read(raw, _passed_over))))


def _has_failed(outcome: Outcome) -> bool:
    """Whether something went wrong; a cell that this machine cannot run has not failed."""
    return isinstance(outcome, Failure) and outcome.why != "unavailable"


def _following(raw: Path, process: subprocess.Popen[bytes]) -> Iterator[Outcome]:
    """Yield the outcomes that are added to a file while a process runs."""
    size, shown = 0, sum(1 for _ in read(raw, _passed_over)) if raw.exists() else 0
    running = True
    while running:
        try:
            process.wait(_LOOK_S)
            running = False
        except subprocess.TimeoutExpired:
            running = True
        # Reading it costs what the cells that run meanwhile lack.
        if raw.exists() and raw.stat().st_size != size:
            size = raw.stat().st_size
            outcomes = list(read(raw, _passed_over))
            yield from outcomes[shown:]
            shown = len(outcomes)


def _passed_over(line: Unreadable) -> None:
    """Nothing: it may be on its way to the file, and the table at the end says what is left of it."""
    del line


def publish() -> str:
    """Write the pages; one line says where they are and what they need."""
    log = ASV / "publish.log"
    with log.open("wb") as sink:
        status = bound_run([sys.executable, "-m", "asv", "publish"], stdout=sink, stderr=sink).returncode
    if status:
        return f"no pages: asv publish ended with status {status}; {log} says why"
    from asv.config import Config

    pages = Path(Config.load().html_dir)
    state = f"needs the network to be read; {log} says why" if needs_network(pages) else "is self-contained"
    return f"{pages / 'index.html'} {state}"

"""Run asv for `feedrate bench`, show what comes of it as it comes, and have it write its pages."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from feedrate.asv.machine import write
from feedrate.asv.site import needs_network
from feedrate.cli.context import CommandContext
from feedrate.errors import UnavailableError
from feedrate.records.jsonl import Unreadable
from feedrate.records.measurement import Outcome
from feedrate.records.raw_results import read
from feedrate.report.progress import run_progress
from feedrate.system.guard import bound
from feedrate.system.guard import run as bound_run
from feedrate.system.scratch import Scratch, sweep
from feedrate.system.signals import signal_name
from feedrate.system.stopwatch import now_s

__all__ = ["ASV", "LOGS", "outcomes_of", "publish", "run_asv"]

LOGS, ASV = Path("logs"), Path(".asv")
_LOOK_S = 0.5
"""Between two looks at what asv has measured so far."""


def run_asv(
    selections: Sequence[str],
    total: int,
    replicates: int,
    shell: CommandContext,
    chosen: Mapping[str, str],
    raw: Path,
    *,
    limit_s: float = math.inf,
) -> None:
    """Run asv on what is selected, and show outcomes as they come; after `limit_s` seconds it is ended.

    Raises:
        UnavailableError: asv measured nothing, or something else ended it.
    """
    command = [sys.executable, "-m", "asv", "run", "HEAD^!", "--machine", write(), "--record-samples"]
    command += [word for selected in selections for word in ("--bench", selected)]
    log = LOGS / raw.stem / "asv.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    came, start_s = 0, now_s()
    sweep()
    with Scratch.made() as scratch, log.open("ab") as sink, run_progress(shell.err, quiet=False) as progress:
        environment = dict(shell.environ) | dict(chosen) | {
            "FEEDRATE_REPLICATES": str(replicates), "FEEDRATE_DATA": str(shell.data.resolve()),
            # A killed asv leaves temporary files that nobody but us knows for its own.
            "TMPDIR": str(scratch.folder),
        }  # fmt: skip
        process = subprocess.Popen(bound(command), env=environment, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink)
        try:
            progress.begin("asv builds its environment", total)
            for outcome in _following(raw, process, limit_s):
                came += 1
                progress.end(outcome)
                progress.begin("", total - came)
        finally:
            process.terminate()
            process.wait()
    if now_s() - start_s > limit_s:
        # What there is stands in the raw results; asv keeps its numbers of before.
        return
    if not came:
        raise UnavailableError(f"bench: asv measured nothing (status {process.returncode}); {log} says why")
    if process.returncode < 0:
        by = signal_name(-process.returncode)
        raise UnavailableError(f"bench: asv was ended by {by} after {came} of {total} measurements; {log} says more")


def outcomes_of(raw: Path) -> list[Outcome]:
    """Read what asv measured so far, without the lines that cannot be read."""
    return list(read(raw, _passed_over))


def _following(raw: Path, process: subprocess.Popen[bytes], limit_s: float) -> Iterator[Outcome]:
    """Yield the outcomes that are added to a file while a process runs; after `limit_s` seconds it is ended."""
    start_s = now_s()
    size, shown = 0, sum(1 for _ in read(raw, _passed_over)) if raw.exists() else 0
    running = True
    while running:
        try:
            process.wait(_LOOK_S)
            running = False
        except subprocess.TimeoutExpired:
            running = True
        if now_s() - start_s > limit_s:
            process.terminate()
        # Reading it costs what the cells that run meanwhile lack.
        if raw.exists() and raw.stat().st_size != size:
            size = raw.stat().st_size
            outcomes = outcomes_of(raw)
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

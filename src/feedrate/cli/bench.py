"""`feedrate bench`: the default matrix through asv at HEAD, its pages, and the table."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from feedrate.api.cells import device_or_default, size_or_default
from feedrate.api.datasets import ensure
from feedrate.api.places import Place, demand_writable
from feedrate.api.settings import RUN
from feedrate.asv.machine import write
from feedrate.asv.matrix import Matrix, Names, selection
from feedrate.asv.metrics import METRICS
from feedrate.asv.site import needs_network
from feedrate.cli.context import CommandContext
from feedrate.cli.endings import ending
from feedrate.cli.options import add_device, add_explain
from feedrate.errors import UnavailableError, UsageError
from feedrate.plugin.cell import Cell
from feedrate.plugin.registry import Registry
from feedrate.records.cell_key import split_spec
from feedrate.records.jsonl import Unreadable, complaints
from feedrate.records.measurement import Failure, Outcome
from feedrate.records.raw_results import append, read
from feedrate.report.progress import run_progress
from feedrate.report.time_spent import time_spent
from feedrate.revisions.commit import commit_hash
from feedrate.system.environment import snapshot
from feedrate.system.guard import bound
from feedrate.system.guard import run as bound_run
from feedrate.system.scratch import Scratch, sweep
from feedrate.system.signals import signal_name

__all__ = ["arguments", "run"]

_MATRIX = Path("benchmarks/matrix.json")
_RAW, _LOGS, _ASV = Path("results/raw"), Path("logs"), Path(".asv")
_WAY = "`make install` builds those under plugins/, where cargo is"
_LOOK_S = 0.5
"""Between two looks at what asv has measured so far."""


def arguments(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument(
        "--size", metavar="SIZE", help="tiny, small or full; small on a cpu and full on a GPU unless given"
    )
    add_device(parser.add_argument)
    parser.add_argument("--replicates", "-r", type=int, default=1, metavar="N", help="fresh processes a cell: 1")
    add_explain(parser.add_argument)


def run(options: Namespace, shell: CommandContext) -> int:
    """Measure, publish, print: 0 done, 1 some cells failed, 2 an error ended it early, 130 interrupted."""
    start_s = time.monotonic()
    _demand_checkout(options)
    demand_writable([Place("bench:", folder) for folder in (_RAW, _LOGS, _ASV)])
    device = device_or_default(options.device or None)
    size = size_or_default(options.size or None, device)
    registry = Registry.load()
    cells = _cells(_here(Matrix.load(_MATRIX).names, registry, shell), size, device, registry)
    ready = [cell for cell in cells if not cell.unmet]
    if not ready:
        raise UnavailableError(f"bench: of the {len(cells)} cells of {_MATRIX} none can run here; see `feedrate list`")
    each = "one fresh process" if options.replicates == 1 else f"{options.replicates} fresh processes"
    shell.out.print(f"{len(ready)} cells at size {size} on {device}, {each} for each", soft_wrap=True)
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-bench"
    raw = _RAW / f"{name}.jsonl"
    with ending(shell, raw.exists) as end:
        ensure({cell.recipe.folder_name: cell.recipe for cell in ready}.values(), shell.data, shell.err, quiet=False)
        _note_absent(cells, name, raw, shell)
        status = _measured(ready, options, shell, {RUN: name, "FEEDRATE_SIZE": size, "FEEDRATE_DEVICE": device}, raw)
    if end.status:
        _show(raw, shell, options)
        return end.status
    site = _published()
    _show(raw, shell, options)
    shell.out.print(f"history     {site}", soft_wrap=True)
    shell.out.print(f"to read it  {_program('asv')} preview, then open the address that it prints", soft_wrap=True)
    if raw.exists():
        spent = time_spent(read(raw, _passed_over), time.monotonic() - start_s, "asv's own and all else")
        shell.out.print(f"time        {spent}", style="dim", soft_wrap=True)
    return status


def _demand_checkout(options: Namespace) -> None:
    if not (_MATRIX.exists() and Path("asv.conf.json").exists() and Path(".git").exists()):
        raise UsageError("bench: run it at the root of a git checkout of feedrate; `feedrate run` measures anywhere")
    try:
        commit_hash("HEAD", Path.cwd())
    except UsageError as error:
        raise UsageError("bench: git finds no commit here, which it would measure; `git log` says why") from error
    if find_spec("asv") is None:
        raise UnavailableError("asv is not installed; `pip install feedrate[asv]` provides it")
    if options.replicates < 1 or options.replicates == 6:
        raise UsageError("bench: --replicates takes 1 or more, but not 6: asv's test can then never see a difference")


def _here(names: Names, registry: Registry, shell: CommandContext) -> Names:
    """What the matrix lists and somebody offers; the rest is said in a line each, and left out."""
    for line in registry.broken:
        shell.err.print(f"feedrate: {line}", soft_wrap=True)
    families = ((names.workloads, registry.workloads), (names.loaders, registry.loaders), (names.steps, registry.steps))
    kept = []
    for listed, offered in families:
        for name in listed:
            if split_spec(name)[0] not in offered:
                shell.err.print(
                    f"feedrate: {name}: no plugin here offers it, so it is left out; {_WAY}", soft_wrap=True
                )
        kept.append(tuple(name for name in listed if split_spec(name)[0] in offered))
    return Names(*kept)


def _cells(names: Names, size: str, device: str, registry: Registry) -> list[Cell]:
    return [
        Cell(registry.workload(workload), size, registry.loader(loader), registry.step(step), device)
        for workload in names.workloads
        for step in names.steps
        for loader in names.loaders
    ]


def _note_absent(cells: Sequence[Cell], name: str, raw: Path, shell: CommandContext) -> None:
    """Write down the cells that this machine cannot run, and why: asv is not asked for them."""
    now, environment = datetime.now(UTC).isoformat(timespec="seconds"), snapshot(shell.environ)
    for cell in cells:
        if cell.unmet:
            reason = "; ".join(need.reason for need in cell.unmet)
            absent = Failure(str(cell), name, 0, now, environment, "", "unavailable", reason)
            append(raw, absent)


def _measured(
    ready: Sequence[Cell], options: Namespace, shell: CommandContext, chosen: Mapping[str, str], raw: Path
) -> int:
    """Run asv, and show what comes of it as it comes: 0, or 1 when a cell failed.

    Raises:
        UnavailableError: asv measured nothing, or was ended.
    """
    command = [sys.executable, "-m", "asv", "run", "HEAD^!", "--machine", write(), "--record-samples"]
    command += ["--bench", _selection(ready)]
    log = _LOGS / raw.stem / "asv.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    total, came = len(ready) * options.replicates, 0
    sweep()
    with Scratch.made() as scratch, log.open("wb") as sink, run_progress(shell.err, quiet=False) as progress:
        environment = dict(shell.environ) | dict(chosen) | {
            "FEEDRATE_REPLICATES": str(options.replicates), "FEEDRATE_DATA": str(shell.data.resolve()),
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


def _selection(ready: Sequence[Cell]) -> str:
    """What asv is asked for: the cells that can run, and on the CPU no memory of a device."""
    names = Names(*(tuple(dict.fromkeys(family)) for family in _families(ready)))
    devices = {cell.device for cell in ready}
    return selection(
        names, tuple(metric.name for metric in METRICS if "device" not in metric.name or "cuda" in devices)
    )


def _families(cells: Sequence[Cell]) -> Iterator[list[str]]:
    yield [str(cell.workload) for cell in cells]
    yield [str(cell.loader) for cell in cells]
    yield [str(cell.step) for cell in cells]


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


def _published() -> str:
    """Write the pages; one line says where they are and what they need."""
    log = _ASV / "publish.log"
    with log.open("wb") as sink:
        status = bound_run([sys.executable, "-m", "asv", "publish"], stdout=sink, stderr=sink).returncode
    if status:
        return f"no pages: asv publish ended with status {status}; {log} says why"
    from asv.config import Config

    pages = Path(Config.load().html_dir)
    state = f"needs the network to be read; {log} says why" if needs_network(pages) else "is self-contained"
    return f"{pages / 'index.html'} {state}"


def _show(raw: Path, shell: CommandContext, options: Namespace) -> None:
    from feedrate.report.table import show

    if raw.exists():
        left_out: list[Unreadable] = []
        outcomes = list(read(raw, left_out.append))
        for line in complaints(left_out):
            shell.err.print(f"feedrate: {line}", soft_wrap=True)
        show(shell.out, outcomes, explain=options.explain)
        shell.out.print(f"raw         {raw}", style="dim", soft_wrap=True)


def _program(name: str) -> str:
    """How to call a program of this environment."""
    return os.path.relpath(Path(sys.executable).with_name(name))

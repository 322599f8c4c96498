"""`feedrate bench`: the default matrix through asv at HEAD, its pages, and the table."""

from __future__ import annotations

import os
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from feedrate.api.cells import device_or_default, size_or_default
from feedrate.api.datasets import ensure
from feedrate.api.places import Place, demand_writable
from feedrate.api.result import show_raw
from feedrate.api.settings import RUN
from feedrate.asv.settings import demand_speed
from feedrate.cli.bench_again import measure_cells
from feedrate.cli.bench_asv import ASV, LOGS, publish
from feedrate.cli.bench_cells import matrix_cells, note_absent
from feedrate.cli.context import CommandContext
from feedrate.cli.endings import ending
from feedrate.cli.options import add_details, add_device, add_explain, add_once
from feedrate.errors import UnavailableError, UsageError
from feedrate.records.jsonl import Unreadable, complaints
from feedrate.records.measurement import Measurement, Outcome
from feedrate.records.raw_results import read
from feedrate.report.time_spent import time_spent
from feedrate.revisions.commit import commit_hash

__all__ = ["arguments", "run"]

_MATRIX = Path("benchmarks/matrix.json")
_RAW = Path("results/raw")


def arguments(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument(
        "--size", metavar="SIZE", help="tiny, small or full; small on a cpu and full on a GPU unless given"
    )
    add_device(parser.add_argument)
    parser.add_argument("--replicates", "-r", type=int, default=1, metavar="N", help="fresh processes a cell: 1")
    add_once(parser.add_argument)
    add_details(parser.add_argument)
    add_explain(parser.add_argument)


def run(options: Namespace, shell: CommandContext) -> int:
    """Measure, publish, print: 0 done, 1 some cells failed, 2 an error ended it early, 130 interrupted."""
    start_s = time.monotonic()
    _demand_checkout(options)
    demand_writable([Place("bench:", folder) for folder in (_RAW, LOGS, ASV)])
    device = device_or_default(options.device or None)
    demand_speed(device)
    size = size_or_default(options.size or None, device)
    cells = matrix_cells(_MATRIX, size, device, shell)
    ready = [cell for cell in cells if not cell.unmet_needs]
    if not ready:
        raise UnavailableError(f"bench: of the {len(cells)} cells of {_MATRIX} none can run here; see `feedrate list`")
    each = "one fresh process" if options.replicates == 1 else f"{options.replicates} fresh processes"
    shell.out.print(f"{len(ready)} cells at size {size} on {device}, {each} for each", soft_wrap=True)
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-bench"
    raw = _RAW / f"{name}.jsonl"
    with ending(shell, raw.exists) as end:
        ensure({cell.recipe.folder_name: cell.recipe for cell in ready}.values(), shell.data, shell.err, quiet=False)
        note_absent(cells, name, raw, shell)
        data_s, asked = time.monotonic() - start_s, datetime.now(UTC)
        chosen = {RUN: name, "FEEDRATE_SIZE": size, "FEEDRATE_DEVICE": device}
        status = measure_cells(ready, options.replicates, shell, chosen, raw, once=options.once)
    if end.status:
        _show(raw, shell, options)
        return end.status
    published_s = time.monotonic()
    site = publish()
    pages_s = time.monotonic() - published_s
    outcomes = _show(raw, shell, options)
    shell.out.print(f"history     {site}", soft_wrap=True)
    shell.out.print(f"to read it  {_program('asv')} preview, then open the address that it prints", soft_wrap=True)
    outside_s = {"data sets": data_s, "asv's environment": _until_first_s(outcomes, asked), "pages": pages_s}
    spent = time_spent(outcomes, time.monotonic() - start_s, outside_s, "asv's own and all else")
    shell.out.print(f"time        {spent}", style="dim", soft_wrap=True)
    return status


def _until_first_s(outcomes: Iterable[Outcome], asked: datetime) -> float:
    """Give the seconds from when asv was asked until it measured: it builds feedrate and plugins of the commit."""
    begun = (datetime.fromisoformat(each.started) for each in outcomes if isinstance(each, Measurement))
    return max(0.0, (min(begun, default=asked) - asked).total_seconds())


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


def _show(raw: Path, shell: CommandContext, options: Namespace) -> list[Outcome]:
    """Print the table of a file of raw results, and give what the file holds."""
    from feedrate.report.table import show

    if not raw.exists():
        return []
    left_out: list[Unreadable] = []
    outcomes = list(read(raw, left_out.append))
    for line in complaints(left_out):
        shell.err.print(f"feedrate: {line}", soft_wrap=True)
    show(shell.out, outcomes, explain=options.explain, details=options.details)
    show_raw(shell.out, raw)
    return outcomes


def _program(name: str) -> str:
    """How to call a program of this environment."""
    return os.path.relpath(Path(sys.executable).with_name(name))

"""`feedrate run`."""

from __future__ import annotations

import re
import secrets
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from feedrate.cli.context import RUN, CommandContext
from feedrate.cli.endings import ending
from feedrate.cli.ensure_data import ensure
from feedrate.cli.options import add_data, add_json, add_plugin, add_size, device_or_default, positive, size_or_default
from feedrate.cli.places import demand_places
from feedrate.cli.selection import Selection
from feedrate.errors import UsageError
from feedrate.plugin.cell import Cell
from feedrate.plugin.registry import Registry
from feedrate.records.document import document
from feedrate.records.measurement import Failure, Outcome, append
from feedrate.report.progress import run_progress
from feedrate.runner.forkserver import ForkServer
from feedrate.runner.schedule import Session
from feedrate.system.environment import snapshot

if TYPE_CHECKING:
    from feedrate.runner.isolation import ReplicateSettings

__all__ = ["add_how", "arguments", "named", "run", "settings"]


def arguments(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    what = parser.add_argument_group("what", "all that is not hidden, unless named; knobs as in workers[count=2]")
    what.add_argument("workloads", nargs="*", metavar="WORKLOAD", help="tasks to measure on")
    what.add_argument(
        "--workload", "-w", action="append", default=[], metavar="WORKLOAD", help="the same, as an option"
    )
    what.add_argument("--loader", "-l", action="append", default=[], metavar="LOADER", help="may be repeated")
    what.add_argument("--step", "-s", action="append", default=[], metavar="STEP", help="may be repeated")
    what.add_argument(
        "--sweep", action="store_true", help="all combinations of the values of loaders' and steps' knobs"
    )
    add_size(what.add_argument)
    what.add_argument("--device", metavar="DEVICE", help="cpu or cuda; the GPU if there is one unless given")
    add_plugin(what.add_argument)
    add_how(parser, replicates=1, says="1")
    _add_plumbing(parser)


def add_how(parser: ArgumentParser, *, replicates: int | None, says: str) -> None:
    """Add how a cell is measured, where everything lies, and what comes back; `says` is what no option means."""
    how = parser.add_argument_group("how")
    how.add_argument(
        "--replicates",
        "-r",
        type=positive(int),
        default=replicates,
        metavar="N",
        help=f"fresh processes a cell: {says}",
    )
    how.add_argument(
        "--seconds", type=positive(float), default=0.4, metavar="S", help="aim of each time that is measured: 0.4"
    )
    how.add_argument(
        "--deadline-s", type=positive(float), default=600.0, metavar="S", help="longest a cell may take: 600"
    )
    how.add_argument(
        "--threads", type=positive(int), metavar="N", help="cap of every thread pool of a measured process"
    )
    how.add_argument("--safe", action="store_true", help="no worker processes; FORCE_SINGLE_PROCESS=1 says the same")
    where = parser.add_argument_group("where and what comes back")
    add_data(where.add_argument)
    where.add_argument(
        "--results", type=Path, default=Path("results/raw"), metavar="DIR", help="raw results: results/raw"
    )
    where.add_argument(
        "--logs", type=Path, default=Path("logs"), metavar="DIR", help="what measured processes say: logs"
    )
    where.add_argument("--explain", action="store_true", help="say what each column of the table is")
    where.add_argument("--quiet", "-q", action="store_true", help="no progress")
    add_json(where.add_argument)


def _add_plumbing(parser: ArgumentParser) -> None:
    plumbing = parser.add_argument_group("for programs", "one replicate of one cell; 1 unless it was measured")
    plumbing.add_argument("--cell", metavar="CELL", help="workload/size/loader/step/device")
    plumbing.add_argument("--replicate", type=int, default=0, metavar="K", help="number of the replicate: 0")
    plumbing.add_argument("--out", type=Path, metavar="FILE", help="where its outcome is written as JSON")


def run(options: Namespace, shell: CommandContext) -> int:
    """Measure, and print the table: 0 done, 1 some cells failed, 2 none can run or an error ended it, 130 Ctrl-C."""
    with ForkServer.opened(shell.environ) as fork_server:
        return _run(options, shell, fork_server)


def _run(options: Namespace, shell: CommandContext, fork_server: ForkServer) -> int:
    from feedrate.cli import run_cell as plumbing

    registry = Registry.load(options.plugin)
    session = _session(options, shell, fork_server)
    if options.cell:
        return plumbing.run(options, shell, registry, session)
    cells = _cells(options, registry)
    for line in registry.broken:
        shell.err.print(f"feedrate: {line}", soft_wrap=True)
    demand_places(options, options.data or shell.data)
    outcomes: list[Outcome] = []
    raw = options.results / f"{session.name}.jsonl"
    with ending(shell, lambda: outcomes) as end:
        _measure(session, cells, options, shell, lambda outcome: _keep(raw, outcome, outcomes))
    _print(outcomes, raw, options, shell)
    return end.status or _status(outcomes, shell)


def _status(outcomes: Sequence[Outcome], shell: CommandContext) -> int:
    if all(isinstance(one, Failure) and one.why == "unavailable" for one in outcomes):
        shell.err.print("feedrate: nothing was measured: this machine lacks what the cells need", soft_wrap=True)
        return 2
    return int(any(isinstance(one, Failure) and one.why != "unavailable" for one in outcomes))


def _session(options: Namespace, shell: CommandContext, fork_server: ForkServer) -> Session:
    from feedrate.runner.isolation import measure

    name, started = named(shell)
    one = settings(options, shell, name, fork_server)

    def measured(cell: str, replicate: int) -> Outcome:
        return measure(cell, replace(one, replicate=replicate))

    return Session(name, started, one.environment, measured)


def named(shell: CommandContext) -> tuple[str, str]:
    """What this invocation is called in every record, and when it started.

    Raises:
        UsageError: the environment gives it a name that is no plain one: files and folders are called by it.
    """
    now = datetime.now(UTC)
    name = shell.environ.get(RUN) or f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}", name):
        raise UsageError(f"{RUN}={name!r} is no name for a run; 1 to 64 of A-Z, a-z, 0-9, _, - and . are, no . first")
    return name, now.isoformat(timespec="seconds")


def settings(options: Namespace, shell: CommandContext, name: str, fork_server: ForkServer) -> ReplicateSettings:
    """How a fresh process measures, as the options say."""
    from feedrate.runner.isolation import ReplicateSettings

    return ReplicateSettings(
        data=(options.data or shell.data).resolve(),
        logs=options.logs.resolve(),
        run=name,
        seconds=options.seconds,
        plugin_files=tuple(path.resolve() for path in options.plugin),
        safe=options.safe or shell.safe,
        timeout_s=options.deadline_s,
        threads=options.threads,
        environment=snapshot(shell.environ),
        fork_server=fork_server,
    )


def _cells(options: Namespace, registry: Registry) -> tuple[Cell, ...]:
    if options.out:
        raise UsageError("--out needs --cell; --json prints all outcomes of a run")
    device = device_or_default(options.device)
    named = [*options.workloads, *options.workload]
    size = size_or_default(options.size, device)
    return Selection(size, device, named, options.loader, options.step, options.sweep).cells(registry)


def _measure(
    session: Session, cells: Sequence[Cell], options: Namespace, shell: CommandContext, keep: Callable[[Outcome], None]
) -> None:
    recipes = {cell.recipe.folder_name: cell.recipe for cell in cells if not cell.unmet}
    ensure(recipes.values(), options.data or shell.data, shell.err, quiet=options.quiet)
    with run_progress(shell.err, quiet=options.quiet) as progress:
        for outcome in session.outcomes(cells, options.replicates, progress.begin):
            keep(outcome)
            progress.end(outcome)


def _keep(raw: Path, outcome: Outcome, outcomes: list[Outcome]) -> None:
    # First: what cannot be written down is printed all the same.
    outcomes.append(outcome)
    append(raw, outcome)


def _print(outcomes: Sequence[Outcome], raw: Path, options: Namespace, shell: CommandContext) -> None:
    if options.json:
        shell.print_json([document(outcome) for outcome in outcomes])
        return
    from feedrate.report.table import show

    show(shell.out, outcomes, explain=options.explain)
    if outcomes:
        shell.out.print(f"raw         {raw}", style="dim", soft_wrap=True)

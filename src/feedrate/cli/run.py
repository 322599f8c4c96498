"""`feedrate run`: measure every combination of what is named, and print the table."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from feedrate.api.fallbacks import OOM
from feedrate.api.session import Session
from feedrate.api.settings import RANDOM
from feedrate.cli.context import CommandContext
from feedrate.cli.endings import ending
from feedrate.cli.options import (
    add_details,
    add_device,
    add_dry_run,
    add_explain,
    add_fallbacks,
    add_length,
    add_once,
    add_out_of_place,
    add_plugin,
    add_size,
    measuring,
    output,
    positive,
    session_options,
    training_length,
)
from feedrate.cli.own_files import add_files, demand_files_alone, own_workload
from feedrate.cli.script import demand_no_copy, demand_script
from feedrate.errors import UsageError
from feedrate.records.measurement import Failure, Outcome

if TYPE_CHECKING:
    from feedrate.plugin.workload import Workload

__all__ = ["arguments", "run"]


def arguments(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    cells = parser.add_argument_group("what", "all that is not hidden, unless named; knobs as in workers[count=2]")
    cells.add_argument("workloads", nargs="*", metavar="WORKLOAD", help="tasks to measure on")
    cells.add_argument(
        "--workload", "-w", action="append", default=[], metavar="WORKLOAD", help="the same, as an option"
    )
    cells.add_argument("--loader", "-l", action="append", default=[], metavar="LOADER", help="may be repeated")
    cells.add_argument("--step", "-s", action="append", default=[], metavar="STEP", help="may be repeated")
    cells.add_argument(
        "--sweep", action="store_true", help="all combinations of the values of loaders' and steps' knobs"
    )
    add_files(cells.add_argument, "a WORKLOAD")
    add_size(cells.add_argument)
    add_device(cells.add_argument)
    add_plugin(cells.add_argument)
    add_details(cells.add_argument)
    add_length(cells.add_argument)
    how = measuring(parser)
    how(
        *("--ranks",), type=positive(int), default=1, metavar="N",
        help="also measure each cell as N processes that train together (DDP), each on a GPU or its share of cores: 1",
    )  # fmt: skip
    how("--replicates", "-r", type=positive(int), default=1, metavar="N", help="fresh processes a cell: 1")
    how(
        "--order", default=RANDOM, metavar="ORDER",
        help="of the loaders of a step in each round: random, named, or the order_seed of an earlier record: random",
    )  # fmt: skip
    add_dry_run(how)
    add_once(how)
    add_fallbacks(how)
    add_out_of_place(how)
    add_explain(output(parser))
    _add_plumbing(parser)


def _add_plumbing(parser: ArgumentParser) -> None:
    plumbing = parser.add_argument_group("for programs", "one replicate of one cell; 1 unless it was measured")
    plumbing.add_argument("--cell", metavar="CELL", help="workload/size/loader/step/device")
    plumbing.add_argument("--replicate", type=int, default=0, metavar="K", help="number of the replicate: 0")
    plumbing.add_argument("--out", type=Path, metavar="FILE", help="where its outcome is written as JSON")
    plumbing.add_argument(
        "--serve",
        action="store_true",
        help='measure what each line of standard input asks for: {"cell", "replicate", "out"}',
    )


def run(options: Namespace, shell: CommandContext) -> int:
    """Measure, and print the table: 0 done, 1 some cells failed, 2 none can run or an error ended it, 130 Ctrl-C."""
    if options.out and not options.cell:
        raise UsageError("--out needs --cell; --json prints all outcomes of a run")
    if options.serve and options.cell:
        raise UsageError("--serve reads cells from standard input; --cell names one: give one of the two")
    named = {"oom": options.oom != OOM[0], "safe_retry": options.safe_retry}
    asks = any(on and name in options.named for name, on in named.items())
    if asks and (options.cell or options.serve or options.script is not None):
        raise UsageError("--oom, --safe-retry: beside --cell, --serve or `-- COMMAND` no other is tried in its place")
    if options.dry_run and (options.cell or options.serve or options.script is not None):
        raise UsageError("--dry-run is of WORKLOAD, --loader and --step, not of --cell, --serve or `-- COMMAND`")
    if options.ranks > 1 and (options.cell or options.serve or options.script is not None):
        raise UsageError(
            "--ranks: a cell names them itself, as in .../2xcpu; and a COMMAND starts its own, as torchrun"
        )
    if shell.environ.get("TORCHELASTIC_RUN_ID"):
        raise UsageError("torchrun starts this command once for each rank; run it once, without torchrun: --ranks N")
    demand_files_alone(options, [*options.workloads, *options.workload])
    if options.script is None:
        demand_no_copy(options, "there is no command")
    if options.dry_run:
        return _show_settings(options, shell)
    length = training_length(options.epochs, options.steps)
    if length is not None and (options.cell or options.serve):
        raise UsageError("--epochs, --steps: beside --cell or --serve no table is printed; `feedrate show` takes them")
    with shell.session(session_options({**vars(options), "epoch_starts": length is not None})) as session:
        if options.serve:
            from feedrate.cli.serve_cells import serve_cells

            return serve_cells(session, sys.stdin, shell.out.file, shell)
        if options.cell:
            from feedrate.cli.run_cell import run_cell

            return run_cell(
                session, options.cell, options.replicate, options.out, shell, as_json=options.json, quiet=options.quiet
            )
        with ending(shell, lambda: session.outcomes) as end:
            _measure(session, options) if options.script is None else _race(session, options)
        results = session.results
    if options.json:
        shell.print_json(results.as_json(length))
    else:
        results.show(shell.out, explain=options.explain, details=options.details, length=length)
    return end.status or _status(results.outcomes, shell)


def _race(session: Session, options: Namespace) -> None:
    """Race loaders inside a person's own training; the session holds what comes of it."""
    others = ("workloads", "workload", "step", "sweep", "files", "order")
    if options.named.intersection(others):
        raise UsageError("beside `-- COMMAND` there is no workload, --step, --sweep, --files or --order")
    demand_script(options, "run")
    outcomes = session.measure_command(
        options.script, loaders=options.loader, replicates=options.replicates, out_of_place=options.out_of_place
    )
    for _ in outcomes:
        pass


def _show_settings(options: Namespace, shell: CommandContext) -> int:
    """Print what `run` would do; nothing is opened that would have to be closed."""
    from feedrate.cli.dry_run import show_settings

    session = shell.session(session_options(vars(options)))
    specs = {"workload": [*options.workloads, *options.workload], "loader": options.loader, "step": options.step}
    return show_settings(session, session.select(**_asked(session, options)), specs, options, shell)


class _Asked(TypedDict):
    """What was asked for, as `Session.select` takes it."""

    workloads: Sequence[Workload | str]
    loaders: Sequence[str]
    steps: Sequence[str]
    size: str | None
    device: str | None
    sweep: bool
    ranks: int


def _asked(session: Session, options: Namespace) -> _Asked:
    own = own_workload(session, options)
    return {
        "workloads": [*options.workloads, *options.workload] if own is None else [own],
        "loaders": options.loader,
        "steps": options.step,
        "size": options.size,
        "device": options.device,
        "sweep": options.sweep,
        "ranks": options.ranks,
    }


def _measure(session: Session, options: Namespace) -> None:
    """Measure all of it, and once more what is doubtful; the session holds what comes of it."""
    for _ in session.measure_all(**_asked(session, options), replicates=options.replicates):
        pass
    for _ in () if options.once else session.measure_doubtful_again():
        pass


def _status(outcomes: Sequence[Outcome], shell: CommandContext) -> int:
    if all(isinstance(outcome, Failure) and outcome.why == "unavailable" for outcome in outcomes):
        shell.err.print("feedrate: nothing was measured: this machine lacks what the cells need", soft_wrap=True)
        return 2
    return int(any(isinstance(outcome, Failure) and outcome.why != "unavailable" for outcome in outcomes))

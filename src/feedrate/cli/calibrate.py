"""`feedrate calibrate`."""

from __future__ import annotations

import secrets
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from feedrate.calibration.calibrate import CaseResult, run_case
from feedrate.calibration.cases import CASES, Case
from feedrate.cli.context import CommandContext
from feedrate.cli.endings import ending
from feedrate.cli.ensure_data import ensure
from feedrate.cli.options import add_data, add_json, device_or_default
from feedrate.cli.places import Place, demand_folder, demand_writable
from feedrate.errors import UsageError
from feedrate.plugin.cell import Cell
from feedrate.plugin.registry import Registry
from feedrate.plugin.strategy import near
from feedrate.report.calibration import answers_progress, show
from feedrate.runner.forkserver import ForkServer
from feedrate.runner.isolation import ReplicateSettings
from feedrate.system.environment import snapshot

__all__ = ["arguments", "run"]


def arguments(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument(
        "--only", "-o", action="append", default=[], metavar="NAME", help="one case, by its name; may be repeated"
    )
    parser.add_argument("--device", metavar="DEVICE", help="the cases of that device alone: cpu or cuda")
    parser.add_argument(
        "--logs", type=Path, default=Path("logs"), metavar="DIR", help="what measured processes say: logs"
    )
    parser.add_argument("--quiet", "-q", action="store_true", help="no progress")
    add_data(parser.add_argument)
    add_json(parser.add_argument)


def run(options: Namespace, shell: CommandContext) -> int:
    """Measure the cases, and print expected against found: 0 right, 1 some wrong, 2 none can run, else an early end."""
    cases, registry = _chosen(options.only, options.device), Registry.load()
    cells = {case: Cell.parse(case.cell, registry) for case in cases}
    recipes = {cell.recipe.folder_name: cell.recipe for cell in cells.values() if not cell.unmet}
    demand_folder("--data", options.data or shell.data)
    demand_writable([Place("--logs", options.logs)])
    ensure(recipes.values(), options.data or shell.data, shell.err, quiet=options.quiet)
    found: list[CaseResult] = []
    with ending(shell, lambda: found) as end:
        for one in _answers(cells, options, shell):
            found.append(one)
    _print(found, options, shell)
    if not end.status and all(one.right is None for one in found):
        shell.err.print("feedrate: nothing was measured: this machine lacks what the cases need", soft_wrap=True)
        return 2
    return end.status or int(any(one.right is False for one in found))


def _answers(cells: Mapping[Case, Cell], options: Namespace, shell: CommandContext) -> Iterator[CaseResult]:
    with ForkServer.opened(shell.environ) as fork_server, answers_progress(shell.err, quiet=options.quiet) as progress:
        settings = _settings(options, shell, fork_server)
        for place, (case, cell) in enumerate(cells.items()):
            progress.begin(case.name, len(cells) - place)
            found = _absent(case, cell) or run_case(case, settings)
            yield found
            # Whoever is told of it and interrupts us finds it among those that there are.
            progress.end(found)


def _print(found: Sequence[CaseResult], options: Namespace, shell: CommandContext) -> None:
    if options.json:
        shell.print_json([asdict(one) for one in found])
    else:
        show(shell.out, found)


def _chosen(names: Sequence[str], device: str | None) -> Sequence[Case]:
    known = {case.name: case for case in CASES}
    for name in names:
        if name not in known:
            raise UsageError(f"no case {name!r}; {near(name, known)}")
    cases = [known[name] for name in names] or CASES
    if device is None:
        return cases
    device = device_or_default(device)
    return [case for case in cases if case.device == device]


def _absent(case: Case, cell: Cell) -> CaseResult | None:
    """The answer of a case that this machine cannot be asked."""
    unmet = "; ".join(need.reason for need in cell.unmet)
    what = f"n/a: needs {', '.join(need.what for need in cell.unmet)}"
    return CaseResult(case.name, case.cell, case.expected, what, unmet, None) if unmet else None


def _settings(options: Namespace, shell: CommandContext, fork_server: ForkServer) -> ReplicateSettings:
    return ReplicateSettings(
        data=(options.data or shell.data).resolve(),
        logs=options.logs.resolve(),
        run=f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(2)}",
        environment=snapshot(shell.environ),
        fork_server=fork_server,
    )

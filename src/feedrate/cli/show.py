"""`feedrate show`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from feedrate.cli.context import CommandContext
from feedrate.cli.options import add_details, add_json
from feedrate.cli.places import demand_folder
from feedrate.errors import DataError, UsageError
from feedrate.records.document import document
from feedrate.records.jsonl import Unreadable, complaints
from feedrate.records.measurement import Failure, Measurement

if TYPE_CHECKING:
    from feedrate.diagnosis.diagnosis import Diagnosis
    from feedrate.records.measurement import Outcome

__all__ = ["arguments", "run"]


def arguments(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="raw results; the newest run's unless given")
    parser.add_argument(
        "--results", type=Path, default=Path("results/raw"), metavar="DIR", help="raw results: results/raw"
    )
    parser.add_argument("--explain", action="store_true", help="say what each column of the table is")
    add_details(parser.add_argument)
    add_json(parser.add_argument)


def run(options: Namespace, shell: CommandContext) -> int:
    """Print the table of what a file of raw results holds: 0 done, 1 when some of its lines cannot be read."""
    file = options.file or _newest(options.results)
    if not file.is_file():
        raise UsageError(f"{file}: no such file")
    from feedrate.diagnosis.diagnosis import records

    found = list(records(file))
    left_out = [one for one in found if isinstance(one, Unreadable)]
    for line in complaints(left_out):
        shell.err.print(f"feedrate: {line}", soft_wrap=True)
    if len(left_out) == len(found):
        raise DataError(f"{file}: holds no results; `feedrate run` writes them")
    _print(found, file, options, shell)
    return int(bool(left_out))


def _print(
    found: Sequence[Outcome | Diagnosis | Unreadable], file: Path, options: Namespace, shell: CommandContext
) -> None:
    outcomes = [one for one in found if isinstance(one, (Measurement, Failure))]
    why = [one for one in found if not isinstance(one, (Measurement, Failure, Unreadable))]
    if options.json:
        shell.print_json([*(document(outcome) for outcome in outcomes), *(one.as_json() for one in why)])
        return
    from feedrate.report import diagnosis as picture
    from feedrate.report import table

    picture.show(shell.out, why, explain=options.explain, details=options.details)
    if outcomes or not why:
        table.show(shell.out, outcomes, explain=options.explain)
    shell.out.print(f"raw         {file}", style="dim", soft_wrap=True)


def _newest(folder: Path) -> Path:
    demand_folder("--results", folder)
    files = sorted(folder.glob("*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
    if not files:
        raise UsageError(f"{folder}: no raw results here; `feedrate run` writes them")
    return files[-1]

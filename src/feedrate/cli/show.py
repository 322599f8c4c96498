"""`feedrate show`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from feedrate.cli.options import add_json
from feedrate.cli.places import demand_folder
from feedrate.cli.shell import Shell
from feedrate.errors import UsageError
from feedrate.measurement import read
from feedrate.report.document import document

__all__ = ["arguments", "run"]


def arguments(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="raw results; the newest run's unless given")
    parser.add_argument(
        "--results", type=Path, default=Path("results/raw"), metavar="DIR", help="raw results: results/raw"
    )
    parser.add_argument("--explain", action="store_true", help="say what each column of the table is")
    add_json(parser.add_argument)


def run(options: Namespace, shell: Shell) -> int:
    """Print the table of what a file of raw results holds."""
    file = options.file or _newest(options.results)
    if not file.is_file():
        raise UsageError(f"{file}: no such file")
    from feedrate.diagnosis import diagnoses

    outcomes, why = list(read(file)), list(diagnoses(file))
    if options.json:
        shell.print_json([*(document(outcome) for outcome in outcomes), *(one.as_json() for one in why)])
        return 0
    from feedrate.report import picture, table

    picture.show(shell.out, why, explain=options.explain)
    if outcomes or not why:
        table.show(shell.out, outcomes, explain=options.explain)
    shell.out.print(f"raw         {file}", style="dim", soft_wrap=True)
    return 0


def _newest(folder: Path) -> Path:
    demand_folder("--results", folder)
    files = sorted(folder.glob("*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
    if not files:
        raise UsageError(f"{folder}: no raw results here; `feedrate run` writes them")
    return files[-1]

"""`feedrate show`: print the table of an earlier run again."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from feedrate.api.diagnosis_result import DiagnosisResult
from feedrate.api.result import show_raw
from feedrate.api.results import Results
from feedrate.cli.context import CommandContext
from feedrate.cli.options import add_details, add_explain, add_json, add_length, add_results, training_length
from feedrate.cli.raw_files import newest_run
from feedrate.errors import DataError, UsageError
from feedrate.records.jsonl import Unreadable, complaints
from feedrate.records.measurement import Failure, Measurement

if TYPE_CHECKING:
    from feedrate.diagnosis.diagnosis import Diagnosis
    from feedrate.records.measurement import Outcome
    from feedrate.records.projection import TrainingLength

__all__ = ["arguments", "run"]


def arguments(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="raw results; the newest run's unless given")
    add_results(parser.add_argument)
    add_explain(parser.add_argument)
    add_details(parser.add_argument)
    add_length(parser.add_argument)
    add_json(parser.add_argument)


def run(options: Namespace, shell: CommandContext) -> int:
    """Print the table of what a file of raw results holds: 0 done, 1 when some of its lines cannot be read."""
    length = training_length(options.epochs, options.steps)
    file = options.file or newest_run(options.results)
    if not file.is_file():
        raise UsageError(f"{file}: no such file")
    from feedrate.diagnosis.diagnosis import records

    lines = list(records(file))
    unreadable = [line for line in lines if isinstance(line, Unreadable)]
    for complaint in complaints(unreadable):
        shell.err.print(f"feedrate: {complaint}", soft_wrap=True)
    if len(unreadable) == len(lines):
        raise DataError(f"{file}: holds no results; `feedrate run` writes them")
    _print([line for line in lines if not isinstance(line, Unreadable)], file, options, length, shell)
    return int(bool(unreadable))


def _print(
    records: Sequence[Outcome | Diagnosis],
    file: Path,
    options: Namespace,
    length: TrainingLength | None,
    shell: CommandContext,
) -> None:
    measured = Results(tuple(record for record in records if isinstance(record, Measurement | Failure)))
    others = (record for record in records if not isinstance(record, Measurement | Failure))
    diagnosed = DiagnosisResult(tuple(others))
    if options.json:
        shell.print_json([*measured.as_json(length), *diagnosed.as_json()])
        return
    diagnosed.show(shell.out, explain=options.explain, details=options.details)
    if measured.outcomes or not diagnosed.diagnoses:
        measured.show(shell.out, explain=options.explain, details=options.details, length=length)
    show_raw(shell.out, file)

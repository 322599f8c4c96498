"""`feedrate run --serve`: replicates of cells, one after the other, for a program that keeps this process open."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from feedrate.api.session import Session
from feedrate.cli.context import CommandContext
from feedrate.cli.endings import complain
from feedrate.cli.run_cell import run_cell
from feedrate.errors import FeedrateError, UsageError
from feedrate.revisions.call import READY

__all__ = ["serve_cells"]


def serve_cells(session: Session, requests: Iterable[str], answers: IO[str], shell: CommandContext) -> int:
    """Measure what each line asks for, and answer each with a line that holds its exit status: 0 at the end of lines.

    A line is `{"cell": CELL, "replicate": K, "out": FILE}`, words of `feedrate run --cell`; the outcome lies in FILE.

    Raises:
        UsageError: a line is no such object.
    """
    _answer(answers, READY)
    for line in requests:
        cell, replicate, out = _request(line)
        try:
            status = run_cell(session, cell, replicate, out, shell, as_json=False, quiet=True)
        except FeedrateError as error:
            complain(shell, str(error))
            status = 2
        _answer(answers, str(status))
    return 0


def _request(line: str) -> tuple[str, int, Path]:
    try:
        asked = json.loads(line)
        return str(asked["cell"]), int(asked["replicate"]), Path(asked["out"])
    except (ValueError, TypeError, KeyError, RecursionError):
        raise UsageError(f"--serve: a line asks for no cell, replicate and out: {line.strip()!r:.80}") from None


def _answer(answers: IO[str], text: str) -> None:
    answers.write(f"{text}\n")
    answers.flush()

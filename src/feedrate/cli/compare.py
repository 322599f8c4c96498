"""`feedrate compare`: say whether A is faster than B."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter

from feedrate.api.session import Session
from feedrate.cli.context import CommandContext
from feedrate.cli.endings import ending
from feedrate.cli.options import (
    add_device,
    add_judging,
    add_plugin,
    add_size,
    measuring,
    output,
    session_options,
)
from feedrate.cli.own_files import add_files, demand_files_alone, own_cell_text

__all__ = ["arguments", "run"]

_ABOUT = """\
A and B are cells, and the code to measure them with:
  boardmoves/threads/fp32 boardmoves/inline/fp32      two loaders
  boardmoves/threads/fp32@main @HEAD                  one cell at two commits, each built into an environment of its own
  boardmoves/mine/fp32@old.py @new.py                 one cell with two plugin files
  boardmoves/threads/fp32 @MALLOC_ARENA_MAX=2         one cell with a variable of the environment, and without it
  'boardmoves/*/fp32@main' @HEAD                      every loader at two commits; false discoveries are controlled
  threads inline --files 'mine/*.parquet'             two loaders over files of your own
  'python train.py' 'python train.py --workers 8'     your own training with two sets of options
  'python train.py@main' @HEAD                        your own training at two commits
Both are of one workload in one size: samples of different data are not compared.
The verdict is about A: FASTER than B, SLOWER, the SAME, UNSURE (with how many more pairs would tell), or INVALID.
"""


def arguments(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = _ABOUT
    sides = parser.add_argument_group("what")
    sides.add_argument("a", metavar="A", help="CELL, or CELL@COMMIT, @FILE, @NAME=VALUE; a cell: workload/loader/step")
    sides.add_argument("b", metavar="B", help="the same; without a cell, such as @HEAD, it is A's")
    add_files(sides.add_argument, "cells' workload, A and B being loaders,")
    add_size(sides.add_argument)
    add_device(sides.add_argument)
    add_plugin(sides.add_argument)
    add_judging(sides.add_argument, measuring(parser))
    output(parser)


def run(options: Namespace, shell: CommandContext) -> int:
    """Compare, and print the verdict: 0 done, 1 when a verdict is INVALID, 2 an error ended it, 130 interrupted."""
    demand_files_alone(options)
    with shell.session(session_options(vars(options))) as session:
        with ending(shell, lambda: session.outcomes, "this is the verdict so far") as end:
            _compare(session, options)
        result = session.comparison
    if options.json:
        shell.print_json(result.as_json())
    elif result.comparisons:
        result.show(shell.out)
    return end.status or int(any(verdict.word == "INVALID" for verdict in result.verdicts))


def _compare(session: Session, options: Namespace) -> None:
    session.compare(
        *(own_cell_text(side, session, options) for side in (options.a, options.b)),
        metric=options.metric,
        margin=options.margin,
        pairs=options.pairs,
        budget_s=options.budget,
        size=options.size,
        device=options.device,
    )

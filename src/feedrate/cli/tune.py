"""`feedrate tune`: find the settings of a script's DataLoader that are best for it."""

from __future__ import annotations

import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace

from feedrate.api.results import CellError
from feedrate.api.session import Session
from feedrate.cli.context import CommandContext
from feedrate.cli.endings import ending
from feedrate.cli.options import add_explain, add_out_of_place, duration, measuring, output, session_options
from feedrate.cli.script import demand_script, show_last_words

__all__ = ["arguments", "run"]

_UNITS = {"": 1.0, "M": 1e6, "G": 1e9}


def arguments(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    parser.epilog = "after `--` stands the command that trains, as you type it: feedrate tune -- python train.py"
    limits = parser.add_argument_group("how far")
    limits.add_argument("--budget", type=duration, default=600.0, metavar="TIME", help="90s, 10m or 1h at most: 10m")
    limits.add_argument(
        "--memory", type=_size, metavar="SIZE", help="no setting whose processes take more, such as 16G: all there is"
    )
    add_out_of_place(measuring(parser))
    add_explain(output(parser))


def run(options: Namespace, shell: CommandContext) -> int:
    """Tune, and print what to paste: 0 done, 1 the script gave nothing to time, 2 an error, 130 interrupted."""
    demand_script(options, "tune")
    status, result = 0, None
    with shell.session(session_options(vars(options))) as session:
        with ending(shell, lambda: session.outcomes) as end:
            try:
                result = session.tune_command(
                    options.script,
                    budget_s=options.budget,
                    memory_bytes=options.memory,
                    out_of_place=options.out_of_place,
                )
            except CellError as error:
                status = 1
                show_last_words(error, shell)
        if result is None:
            _show_rest(session, shell)
        elif options.json:
            shell.print_json(result.as_json())
        else:
            result.show(shell.out, explain=options.explain)
        return end.status or status


def _show_rest(session: Session, shell: CommandContext) -> None:
    """Print what was measured before something ended it."""
    if session.results.measurements:
        session.results.show(shell.out)


def _size(text: str) -> float:
    """Read bytes from the text of an option such as 16G."""
    written = re.fullmatch(r"(\d+(?:\.\d+)?)([MG]?)B?", text)
    if not written or not float(written[1]):
        raise ArgumentTypeError(f"invalid size, such as 800M or 16G value: {text!r}")
    return float(written[1]) * _UNITS[written[2]]

"""`feedrate calibrate`: hold known answers against what is found here."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from feedrate.cli.context import CommandContext
from feedrate.cli.endings import ending
from feedrate.cli.options import add_data, add_device, add_json, add_logs, add_quiet, session_options

__all__ = ["arguments", "run"]

_DEADLINE_S = 300.0
"""A case takes seconds; one that hangs is wrong, and the others wait for it."""


def arguments(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument(
        "--only", "-o", action="append", default=[], metavar="NAME", help="one case, by its name; may be repeated"
    )
    add_device(parser.add_argument, "the cases of that device alone: cpu or cuda")
    add_logs(parser.add_argument)
    add_quiet(parser.add_argument)
    add_data(parser.add_argument)
    add_json(parser.add_argument)


def run(options: Namespace, shell: CommandContext) -> int:
    """Measure the cases, and print expected against found: 0 right, 1 some wrong, 2 none can run, else an early end."""
    with shell.session({**session_options(vars(options)), "results": None, "deadline_s": _DEADLINE_S}) as session:
        with ending(shell, lambda: session.calibration.answers) as end:
            session.calibrate(only=options.only, device=options.device)
        result = session.calibration
    if options.json:
        shell.print_json(result.as_json())
    else:
        result.show(shell.out)
    if not end.status and all(answer.right is None for answer in result.answers):
        shell.err.print("feedrate: nothing was measured: this machine lacks what the cases need", soft_wrap=True)
        return 2
    return end.status or int(not result.right)

"""`feedrate size`: how large a batch and a chunk may be on devices of any memory."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from feedrate.cli.context import CommandContext
from feedrate.cli.endings import ending
from feedrate.cli.options import add_device, add_explain, add_plugin, add_size, measuring, output, session_options

__all__ = ["arguments", "run"]


def arguments(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    what = parser.add_argument_group("what", "a task whose batches are of a fixed size, and a step that trains")
    what.add_argument("workload", metavar="WORKLOAD", help="such as boardmoves[net=resnet]")
    what.add_argument("step", nargs="?", default="fp32", metavar="STEP", help="such as bf16: fp32")
    add_size(what.add_argument)
    add_device(what.add_argument, "cuda, or simulated, which is no hardware and counts tensors alone")
    add_plugin(what.add_argument)
    measuring(parser)
    add_explain(output(parser))


def run(options: Namespace, shell: CommandContext) -> int:
    """Measure at three sizes of batches, and print the table: 0 done, 2 it cannot be measured here, 130 interrupted."""
    result = None
    with shell.session(session_options(vars(options))) as session:
        with ending(shell, lambda: session.outcomes) as end:
            result = session.size(options.workload, options.step, size=options.size, device=options.device)
        if result is None:
            return end.status
        if options.json:
            shell.print_json(result.as_json())
        else:
            result.show(shell.out, explain=options.explain)
        return end.status

"""`feedrate study`: try changes one after the other, and say which hold."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from pathlib import Path

from feedrate.cli.context import CommandContext
from feedrate.cli.endings import ending
from feedrate.cli.new_files import write_new
from feedrate.cli.options import (
    add_device,
    add_explain,
    add_judging,
    add_plugin,
    add_size,
    measuring,
    output,
    session_options,
)
from feedrate.errors import UsageError

__all__ = ["arguments", "run"]

_ABOUT = """\
A file reads so; of a change either the cell is named, or the parts of it that are others:

  title = "Workers and precision"
  base = "boardmoves/workers[count=1]/fp32"

  [[change]]
  name = "prefetch 4"
  loader = "[prefetch=4]"        # other knobs of the same loader; or another loader, step, workload or device
  claim = "+10-30 %"             # what somebody said; or x2, x1.5-2, none

  [[change]]
  name = "shared memory in place of queues"
  cell = "boardmoves/ring_workers[count=1]/fp32"
  against = "base"               # else it is compared with the one before
  needs = "cuda"                 # not tried on another device; or a package that must be there

Examples are in examples/studies of the repository.
"""
_WAY_OUT = "name another file with -o"


def arguments(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = _ABOUT
    what = parser.add_argument_group("what")
    what.add_argument("file", type=Path, metavar="FILE", help="the study, as TOML: a base, and changes in their order")
    add_size(what.add_argument)
    add_device(what.add_argument)
    add_plugin(what.add_argument)
    add_judging(what.add_argument, measuring(parser), each=" a change")
    where = output(parser)
    add_explain(where)
    where("--output", "-o", type=Path, metavar="FILE.md", help="also write it as Markdown; nothing is overwritten")


def run(options: Namespace, shell: CommandContext) -> int:
    """Try them, and print what holds: 0 done, 1 when a verdict is INVALID, 2 an error ended it, 130 interrupted."""
    if options.output is not None and options.output.exists():
        raise UsageError(f"{options.output} is there already, and is left as it is; {_WAY_OUT}")
    with shell.session(session_options(vars(options))) as session:
        with ending(shell, lambda: session.outcomes, "this is what was tried so far") as end:
            session.study(
                options.file,
                metric=options.metric,
                margin=options.margin,
                pairs=options.pairs,
                budget_s=options.budget,
                size=options.size,
                device=options.device,
            )
        result = session.studied
    if result is None:
        return end.status
    if options.json:
        shell.print_json(result.as_json())
    else:
        result.show(shell.out, explain=options.explain)
    if options.output is not None and result.changes:
        write_new({options.output: result.as_markdown()}, _WAY_OUT)
    return end.status or int(any(change.verdict and change.verdict.word == "INVALID" for change in result.changes))

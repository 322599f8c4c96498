"""`feedrate compare`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path

from feedrate.cli.context import CommandContext
from feedrate.cli.endings import ending
from feedrate.cli.ensure_data import ensure
from feedrate.cli.options import add_data, add_json, add_plugin, add_size, duration, positive
from feedrate.cli.places import demand_places
from feedrate.cli.run import named
from feedrate.cli.variant_runner import VariantRunner
from feedrate.cli.variant_spec import ComparisonSpec, pairings
from feedrate.comparison.comparison import METRICS, Comparison, StoppingRule, run_rounds
from feedrate.comparison.paired_test import FIRST_LOOK, ComparisonVerdict, verdicts
from feedrate.errors import UsageError
from feedrate.plugin.registry import Registry
from feedrate.report.comparison import document, show
from feedrate.report.comparison_progress import rounds_shown
from feedrate.runner.forkserver import ForkServer
from feedrate.system.environment import snapshot

__all__ = ["arguments", "run"]

_ABOUT = """\
A and B are cells, and the code to measure them with:
  boardmoves/threads/fp32 boardmoves/inline/fp32      two loaders
  boardmoves/threads/fp32@main @HEAD                  one cell at two commits, each built into an environment of its own
  boardmoves/mine/fp32@old.py @new.py                 one cell with two plugin files
  'boardmoves/*/fp32@main' @HEAD                      every loader at two commits; false discoveries are controlled
The verdict is about A: FASTER than B, SLOWER, the SAME, UNSURE (with how many more pairs would tell), or INVALID.
"""


def arguments(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = _ABOUT
    what = parser.add_argument_group("what")
    what.add_argument("a", metavar="A", help="CELL, CELL@COMMIT or CELL@FILE; a cell reads workload/loader/step")
    what.add_argument("b", metavar="B", help="the same; without a cell, such as @HEAD, it is A's")
    what.add_argument(
        "--metric",
        choices=sorted(METRICS),
        default="full",
        help="time a sample of both together, or of one alone: full",
    )
    add_size(what.add_argument)
    what.add_argument("--device", metavar="DEVICE", help="cpu or cuda; the GPU if there is one unless given")
    add_plugin(what.add_argument)
    _add_how(parser)
    _add_where(parser)


def _add_how(parser: ArgumentParser) -> None:
    how = parser.add_argument_group("how")
    how.add_argument(
        "--margin", type=positive(float), default=0.02, metavar="SHARE", help="differences below it are none: 0.02"
    )
    how.add_argument("--pairs", type=positive(int), default=32, metavar="N", help="at most so many of A and B: 32")
    how.add_argument("--budget", type=duration, default=600.0, metavar="TIME", help="90s, 10m or 1h at most: 10m")
    how.add_argument(
        "--seconds",
        type=positive(float),
        default=0.4,
        metavar="S",
        help="aim of each time that a process measures: 0.4",
    )
    how.add_argument(
        "--deadline-s", type=positive(float), default=600.0, metavar="S", help="longest a process may take: 600"
    )
    how.add_argument("--threads", type=positive(int), metavar="N", help="cap of every thread pool of a process")
    how.add_argument("--safe", action="store_true", help="no worker processes")


def _add_where(parser: ArgumentParser) -> None:
    where = parser.add_argument_group("where and what comes back")
    add_data(where.add_argument)
    where.add_argument(
        "--results", type=Path, default=Path("results/raw"), metavar="DIR", help="raw results: results/raw"
    )
    where.add_argument(
        "--logs", type=Path, default=Path("logs"), metavar="DIR", help="what measured processes say: logs"
    )
    where.add_argument("--quiet", "-q", action="store_true", help="no progress")
    add_json(where.add_argument)


def run(options: Namespace, shell: CommandContext) -> int:
    """Compare, and print the verdict: 0 done, 1 when a verdict is INVALID, 2 an error ended it, 130 interrupted."""
    limits = _limits(options)
    found = pairings(options)
    for line in Registry.load(options.plugin).broken:
        shell.err.print(f"feedrate: {line}", soft_wrap=True)
    codes = VariantRunner(options, shell, named(shell)[0], snapshot(shell.environ))
    demand_places(options, options.data or shell.data)
    duels = _duels(found, codes, limits)
    with ending(shell, lambda: any(duel.runs for duel in duels), "this is the verdict so far") as end:
        _fight(duels, codes, limits)
    judgements = verdicts([duel.pairs for duel in duels])
    documents = [document(duel, one) for duel, one in zip(duels, judgements, strict=True)]
    _print(duels, judgements, documents, codes)
    if end.status != 2:
        codes.keep(documents)
    return end.status or int(any(one.word == "INVALID" for one in judgements))


def _limits(options: Namespace) -> StoppingRule:
    if options.pairs < FIRST_LOOK:
        raise UsageError(f"compare: --pairs {options.pairs} is too few; {FIRST_LOOK} are the least that say anything")
    return StoppingRule(options.metric, options.margin, options.pairs + options.pairs % 2, options.budget)


def _duels(found: Sequence[ComparisonSpec], codes: VariantRunner, limits: StoppingRule) -> tuple[Comparison, ...]:
    duels = tuple(
        Comparison(
            codes.side(pairing.a, pairing.a_cell),
            codes.side(pairing.b, pairing.b_cell),
            codes.side(pairing.a.uncommitted, str(pairing.control)),
            limits,
        )
        for pairing in found
    )
    recipes = {folder: recipe for pairing in found for folder, recipe in pairing.recipes.items()}
    ensure(recipes.values(), codes.data, codes.shell.err, quiet=codes.options.quiet)
    return duels


def _fight(duels: Sequence[Comparison], codes: VariantRunner, limits: StoppingRule) -> None:
    """Measure; what is known is written down after each round."""
    with rounds_shown(codes.shell.err, quiet=codes.options.quiet) as shown:
        for judgements in run_rounds(duels, limits, lambda: ForkServer.opened({}), shown.ran):
            codes.keep([document(duel, one) for duel, one in zip(duels, judgements, strict=True)])
            shown.end(duels, judgements)


def _print(
    duels: Sequence[Comparison],
    judgements: Sequence[ComparisonVerdict],
    documents: Sequence[dict[str, object]],
    codes: VariantRunner,
) -> None:
    if codes.options.json:
        codes.shell.print_json(documents)
        return
    show(codes.shell.out, duels, judgements)
    codes.shell.out.print(f"raw         {codes.raw}, {codes.kept}", style="dim", soft_wrap=True)

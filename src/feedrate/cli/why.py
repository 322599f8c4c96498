"""`feedrate why`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from feedrate.cli.context import CommandContext
from feedrate.cli.endings import ending
from feedrate.cli.ensure_data import ensure
from feedrate.cli.options import (
    add_details,
    add_plugin,
    add_size,
    device_or_default,
    duration,
    positive,
    size_or_default,
)
from feedrate.cli.places import Place, demand_places
from feedrate.cli.run import add_how, named, settings
from feedrate.errors import UnavailableError, UsageError
from feedrate.plugin.cell import Cell
from feedrate.plugin.registry import Registry
from feedrate.records.measurement import Failure, append
from feedrate.report.progress import run_progress
from feedrate.runner.forkserver import ForkServer

if TYPE_CHECKING:
    from feedrate.diagnosis.batch_size_correction import Replicate
    from feedrate.diagnosis.diagnosis import Diagnosis
    from feedrate.runner.isolation import ReplicateSettings

__all__ = ["arguments", "chosen", "run"]

_LEAST, _MOST = 3, 6
"""Replicates when nobody says how many."""
_FORMS = "a cell is three words (workload loader step), or one: w/l/s or workload/size/loader/step/device"


def arguments(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    what = parser.add_argument_group("what")
    what.add_argument(
        "cell", nargs="+", metavar="CELL", help=f"{_FORMS}; of the latter, several; knobs as in workers[count=2]"
    )
    add_size(what.add_argument)
    what.add_argument("--device", metavar="DEVICE", help="cpu or cuda; the GPU if there is one unless given")
    what.add_argument("--cold", action="store_true", help="also an epoch of files that the page cache does not hold")
    add_plugin(what.add_argument)
    _add_since(parser)
    add_details(what.add_argument)
    add_how(parser, replicates=None, says=f"{_LEAST}, and up to {_MOST} while it is unsure")


def _add_since(parser: ArgumentParser) -> None:
    since = parser.add_argument_group(
        "what has changed", "beside the same cell at another commit, as `compare` does it"
    )
    since.add_argument("--since", metavar="COMMIT", help="say which side and which stage moved since then")
    since.add_argument("--pairs", type=positive(int), default=8, metavar="N", help="processes of each at most: 8")
    since.add_argument("--budget", type=duration, default=600.0, metavar="TIME", help="90s, 10m or 1h at most: 10m")


def run(options: Namespace, shell: CommandContext) -> int:
    """Take each cell apart and print what holds it back: 0 done, 1 some failed, 2 an error, 130 interrupted."""
    registry = Registry.load(options.plugin)
    for line in registry.broken:
        shell.err.print(f"feedrate: {line}", soft_wrap=True)
    cells = chosen(options.cell, options.size, options.device, registry)
    for cell in cells:
        if cell.unmet:
            raise UnavailableError(f"{cell}: {'; '.join(need.reason for need in cell.unmet)}")
    if options.since and len(cells) > 1:
        raise UsageError(f"--since takes one cell, and there are {len(cells)}; ask for one after the other")
    from feedrate.system.scratch import SHARED_MEMORY

    named(shell)
    demand_places(options, options.data or shell.data, Place("why:", SHARED_MEMORY, made=False))
    recipes = {cell.recipe.folder_name: cell.recipe for cell in cells}
    ensure(recipes.values(), options.data or shell.data, shell.err, quiet=options.quiet)
    if options.since:
        from feedrate.cli.since import since

        return since(cells[0], registry, options, shell)
    return _diagnosed(cells, options, shell)


def chosen(words: Sequence[str], size: str | None, device: str | None, registry: Registry) -> tuple[Cell, ...]:
    """The cells that words of a command line mean: one in three words, or one a word.

    Raises:
        UsageError: they are of no such form, or name what does not exist, or contradict an option.
    """
    several = words if all("/" in word for word in words) else ["/".join(words)]
    return tuple(dict.fromkeys(_cell(word, size, device, registry) for word in several))


def _cell(word: str, size: str | None, device: str | None, registry: Registry) -> Cell:
    parts = word.split("/")
    if len(parts) == 3:
        where = device_or_default(device)
        workload, loader, step = registry.workload(parts[0]), registry.loader(parts[1]), registry.step(parts[2])
        return Cell(workload, size_or_default(size, where), loader, step, where)
    if len(parts) != 5:
        raise UsageError(f"{word!r} is not a cell; {_FORMS}")
    cell = Cell.parse(word, registry)
    for option, asked, said in (("--size", size, cell.size), ("--device", device, cell.device)):
        if asked not in (None, said):
            raise UsageError(f"{option} {asked} contradicts {str(cell)!r}; leave one of the two away")
    return cell


def _diagnosed(cells: Sequence[Cell], options: Namespace, shell: CommandContext) -> int:
    name, _ = named(shell)
    raw, status = options.results / f"{name}.jsonl", 0
    done: list[Diagnosis] = []
    replicates: list[Replicate] = []
    with ending(shell, lambda: done or replicates or status) as end, ForkServer.opened(shell.environ) as fork_server:
        for cell in cells:
            failure = _taken_apart(cell, options, shell, settings(options, shell, name, fork_server), replicates)
            if failure:
                status = 1
                replicates.clear()
                _keep_failure(failure, raw, shell)
            else:
                _keep(replicates, raw, done)
    if replicates:
        _keep(replicates, raw, done)
    if done:
        _print(done, raw, options, shell)
    return end.status or status


def _keep_failure(failure: Failure, raw: Path, shell: CommandContext) -> None:
    append(raw, failure)
    log = f"; log: {failure.log}" if failure.log and failure.log not in failure.reason else ""
    shell.err.print(f"feedrate: {failure.cell}: failed, {failure.why}: {failure.reason}{log}", soft_wrap=True)


def _keep(replicates: list[Replicate], raw: Path, done: list[Diagnosis]) -> None:
    from feedrate.diagnosis.diagnosis import Diagnosis

    done.append(Diagnosis.of(replicates))
    replicates.clear()
    append(raw, done[-1])


def _taken_apart(
    cell: Cell, options: Namespace, shell: CommandContext, how: ReplicateSettings, replicates: list[Replicate]
) -> Failure | None:
    """Add the replicates as they come; gives why there are none, if the cell fails."""
    from feedrate.diagnosis.diagnosis import iter_replicates, needs_another

    least, most = (_LEAST, _MOST) if options.replicates is None else (options.replicates, 0)
    with run_progress(shell.err, quiet=options.quiet) as progress:
        progress.begin(str(cell), least)
        for one in iter_replicates(str(cell), how, least, most, cold=options.cold):
            if isinstance(one, Failure):
                progress.end(one)
                return one
            replicates.append(one)
            progress.end(one[0])
            if needs_another(replicates, least, most):
                progress.begin(str(cell), max(1, least - len(replicates)))
    return None


def _print(found: Sequence[Diagnosis], raw: Path, options: Namespace, shell: CommandContext) -> None:
    if options.json:
        shell.print_json([one.as_json() for one in found])
        return
    from feedrate.report.diagnosis import show

    show(shell.out, found, explain=options.explain, details=options.details)
    shell.out.print(f"raw         {raw}", style="dim", soft_wrap=True)

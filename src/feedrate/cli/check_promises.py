"""`feedrate check`: ask strategies what they promise, on which workloads, and print what comes of it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from feedrate.cli.check_training import Strategic, fixture_of
from feedrate.cli.context import CommandContext
from feedrate.errors import ContractError, UnavailableError
from feedrate.plugin.loader import Loader
from feedrate.plugin.registry import Registry
from feedrate.plugin.workload import Workload
from feedrate.records.codec import plain

if TYPE_CHECKING:
    from feedrate.contract import Fixture

__all__ = ["demand_needs", "demand_served", "first_workload", "promise_arguments", "verdicts", "workload_verdicts"]


def promise_arguments(parser: ArgumentParser) -> None:
    """Add `--workload` and `--traceback`."""
    parser.add_argument(
        *("--workload", "-w"), metavar="WORKLOAD",
        help="what loaders and steps are checked on; unless given, loaders on each that they serve, steps on the first",
    )  # fmt: skip
    parser.add_argument(
        "--traceback", action="store_true",
        help="where an exception broke a promise, print below it the lines of the strategy's own code that raised it",
    )  # fmt: skip


def demand_needs(strategy: Strategic) -> None:
    """Refuse a strategy that cannot run here.

    Raises:
        UnavailableError: it needs what is not there.
    """
    if strategy.unmet_needs():
        raise UnavailableError(f"{strategy}: {_reason(strategy)}")


def _reason(strategy: Strategic) -> str:
    return "; ".join(need.reason for need in strategy.unmet_needs())


def first_workload(spec: str | None, registry: Registry) -> Workload:
    """Give the workload that is named, else the first that runs where nothing is named, and here.

    Raises:
        UnavailableError: it needs what is not there, or there is none.
    """
    if spec:
        named = registry.workload(spec)
        demand_needs(named)
        return named
    ready = next((workload for workload in _default(registry) if not workload.unmet_needs()), None)
    if ready is None:
        raise UnavailableError(f"no workload to check on{''.join(f'; {line}' for line in registry.broken)}")
    return ready


def _default(registry: Registry) -> list[Workload]:
    return [workload for workload in registry.workloads.values() if workload.is_default]


def workload_verdicts(workload: Workload, options: Namespace, shell: CommandContext) -> Iterator[dict[str, object]]:
    """Yield what comes of each promise of a workload, on data of its own."""
    from feedrate.contract import unwritten

    if workload.has_columns or not workload.is_generated:
        yield from _asked(workload, unwritten(workload), options, shell)
        return
    with fixture_of(workload) as fixture:
        yield from _asked(workload, fixture, options, shell)


def verdicts(
    strategies: Sequence[Strategic], options: Namespace, shell: CommandContext, registry: Registry
) -> Iterator[dict[str, object]]:
    """Yield what comes of each promise of loaders and steps: on one workload, and unless that is named of loaders on
    all that run where nothing is named; where a loader does not serve one of those, why.

    Raises:
        UnavailableError: a step, or a loader on the workload that is named, cannot run here.
    """
    first = first_workload(options.workload, registry)
    with fixture_of(first) as fixture:
        for strategy in strategies:
            yield from _asked_or_reason(strategy, fixture, options, shell)
    loaders = [strategy for strategy in strategies if isinstance(strategy, Loader)]
    others = [] if options.workload or not loaders else [each for each in _default(registry) if each is not first]
    for workload in others:
        if workload.unmet_needs():
            for loader in loaders:
                _print_heading(loader, str(workload), options, shell)
                yield _not_applicable(loader, workload, _reason(workload), options, shell)
            continue
        with fixture_of(workload) as fixture:
            for loader in loaders:
                yield from _asked_or_reason(loader, fixture, options, shell)


def demand_served(told: Sequence[Mapping[str, object]]) -> None:
    """Look whether each strategy was asked something.

    Raises:
        UnavailableError: a loader serves none of the workloads.
    """
    asked = {verdict["strategy"] for verdict in told if "unavailable" not in verdict}
    for verdict in told:
        if verdict["strategy"] not in asked:
            where = f"n/a on every workload, on {verdict['workload']}: {verdict['unavailable']}"
            raise UnavailableError(f"{verdict['strategy']}: {where}")


def _asked_or_reason(
    strategy: Strategic, fixture: Fixture, options: Namespace, shell: CommandContext
) -> Iterator[dict[str, object]]:
    try:
        yield from _asked(strategy, fixture, options, shell)
    except UnavailableError as error:
        if options.workload or not isinstance(strategy, Loader):
            raise
        yield _not_applicable(strategy, fixture.recipe.workload, str(error), options, shell)


def _asked(
    strategy: Strategic, fixture: Fixture, options: Namespace, shell: CommandContext
) -> Iterator[dict[str, object]]:
    from feedrate.contract import check

    _print_heading(strategy, "" if isinstance(strategy, Workload) else fixture.recipe.folder_name, options, shell)
    for promise, broken in check(strategy, fixture):
        verdict: dict[str, object] = {"strategy": str(strategy), "workload": str(fixture.recipe.workload)}
        yield verdict | {"promise": promise, **_told(strategy, promise, broken, options, shell)}


def _told(
    strategy: Strategic, promise: str, broken: ContractError | None, options: Namespace, shell: CommandContext
) -> dict[str, object]:
    """Print what came of one promise."""
    from feedrate.contract import own_frames

    frames = () if broken is None else own_frames(broken, strategy)
    if not options.json:
        where = " (--traceback shows where)" if frames and not options.traceback else ""
        line = f"  BROKEN  {promise}: {broken}{where}" if broken else f"  kept    {promise}"
        shell.out.print(line, style="red" if broken else None, soft_wrap=True)
        for frame in frames if options.traceback else ():
            shell.out.print(f"            {frame}", soft_wrap=True)
    return {"broken": str(broken or ""), "raised_in": plain(frames)}


def _not_applicable(
    loader: Strategic, workload: Workload, reason: str, options: Namespace, shell: CommandContext
) -> dict[str, object]:
    if not options.json:
        shell.out.print(f"  n/a     {reason}", soft_wrap=True)
    told = {"promise": "", "broken": "", "unavailable": reason}
    return {"strategy": str(loader), "workload": str(workload), **told}


def _print_heading(strategy: Strategic, on: str, options: Namespace, shell: CommandContext) -> None:
    if not options.json:
        shell.out.print(f"{strategy}, on {on}" if on else str(strategy), style="bold", soft_wrap=True)

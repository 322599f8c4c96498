"""`feedrate check`: hold a loader, step or workload to its contract."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from feedrate.cli.check_training import (
    Strategic,
    demand_trainable,
    fixture_of,
    is_trainable,
    training_arguments,
    training_verdict,
)
from feedrate.cli.context import CommandContext
from feedrate.cli.options import add_json, add_plugin
from feedrate.errors import UnavailableError, UsageError
from feedrate.plugin.registry import Registry
from feedrate.plugin.strategy import near
from feedrate.plugin.workload import Workload
from feedrate.records.cell_key import split_spec

if TYPE_CHECKING:
    from feedrate.contract import Fixture

__all__ = ["arguments", "run"]


def arguments(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument(
        "names", nargs="+", metavar="NAME", help="a loader, step or workload, such as workers[count=2], or a file"
    )
    parser.add_argument(
        "--workload",
        "-w",
        metavar="WORKLOAD",
        help="what loaders and steps are checked on; the first there is unless given",
    )
    training_arguments(parser)
    add_plugin(parser.add_argument)
    add_json(parser.add_argument)


def run(options: Namespace, shell: CommandContext) -> int:
    """Hold each strategy to each promise: 0 when all are kept, 1 when one is broken."""
    files = [Path(name) for name in options.names if name.endswith(".py")]
    registry = Registry.load([*options.plugin, *files])
    strategies = [strategy for name in options.names for strategy in _strategies(name, registry)]
    for strategy in strategies:
        _demand_needs(strategy)
    demand_trainable(strategies, options)
    verdicts = list(_all_verdicts(strategies, options, shell, registry))
    if options.json:
        shell.print_json(verdicts)
    return int(any(verdict["broken"] for verdict in verdicts))


def _demand_needs(strategy: Strategic) -> None:
    """Refuse a strategy that cannot run here.

    Raises:
        UnavailableError: it needs what is not there.
    """
    if strategy.unmet_needs():
        raise UnavailableError(f"{strategy}: {'; '.join(need.reason for need in strategy.unmet_needs())}")


def _strategies(name: str, registry: Registry) -> list[Strategic]:
    """What a name means: strategies of each family that has it, or all that a file offers."""
    if name.endswith(".py"):
        mine = {key for key, origin in registry.origins.items() if origin == name}
        offered: list[Strategic] = [
            *(loader for loader in registry.loaders.values() if f"loader/{loader.name}" in mine),
            *(step for step in registry.steps.values() if f"step/{step.name}" in mine),
            *(workload for workload in registry.workloads.values() if f"workload/{workload.name}" in mine),
        ]
        if not offered:
            raise UsageError(f"{name}: offers no loader, step or workload")
        return offered
    plain = split_spec(name)[0]
    families = (
        (registry.loaders, registry.loader),
        (registry.steps, registry.step),
        (registry.workloads, registry.workload),
    )
    meant = [parse(name) for known, parse in families if plain in known]
    if not meant:
        known = [*registry.loaders, *registry.steps, *registry.workloads]
        raise UsageError(f"no loader, step or workload {plain!r}; {near(plain, known)}")
    return meant


def _workload(spec: str | None, registry: Registry) -> Workload:
    if spec:
        named = registry.workload(spec)
        _demand_needs(named)
        return named
    ready = [workload for workload in registry.workloads.values() if workload.is_default and not workload.unmet_needs()]
    if not ready:
        raise UnavailableError(f"no workload to check on{''.join(f'; {line}' for line in registry.broken)}")
    return ready[0]


def _all_verdicts(
    strategies: Iterable[Strategic], options: Namespace, shell: CommandContext, registry: Registry
) -> Iterator[dict[str, object]]:
    from feedrate.contract import unwritten

    say = not options.json
    for strategy in strategies:
        if isinstance(strategy, Workload):
            if strategy.has_columns or not strategy.is_generated:
                yield from _verdicts(strategy, unwritten(strategy), shell, say=say)
                continue
            with fixture_of(strategy) as fixture:
                yield from _verdicts(strategy, fixture, shell, say=say)
    others = [strategy for strategy in strategies if not isinstance(strategy, Workload)]
    if others:
        with fixture_of(_workload(options.workload, registry)) as fixture:
            for strategy in others:
                yield from _verdicts(strategy, fixture, shell, say=say)
    for strategy in strategies if options.train else ():
        if is_trainable(strategy):
            workload = strategy if isinstance(strategy, Workload) else _workload(options.workload, registry)
            yield from training_verdict(strategy, workload, options, shell)


def _verdicts(
    strategy: Strategic, fixture: Fixture, shell: CommandContext, *, say: bool
) -> Iterator[dict[str, object]]:
    from feedrate.contract import check

    if say:
        on = "" if isinstance(strategy, Workload) else f", on {fixture.recipe.folder_name}"
        shell.out.print(f"{strategy}{on}", style="bold", soft_wrap=True)
    for promise, broken in check(strategy, fixture):
        if say:
            line = f"  BROKEN  {promise}: {broken}" if broken else f"  kept    {promise}"
            shell.out.print(line, style="red" if broken else None, soft_wrap=True)
        yield {"strategy": str(strategy), "promise": promise, "broken": str(broken or "")}

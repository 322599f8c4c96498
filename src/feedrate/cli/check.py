"""`feedrate check`: hold a loader, step or workload to its contract."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator
from pathlib import Path

from feedrate.cli.check_promises import (
    demand_needs,
    demand_served,
    first_workload,
    promise_arguments,
    verdicts,
    workload_verdicts,
)
from feedrate.cli.check_training import (
    Strategic,
    demand_trainable,
    is_trainable,
    training_arguments,
    training_verdict,
)
from feedrate.cli.context import CommandContext
from feedrate.cli.options import add_json, add_plugin
from feedrate.errors import UsageError
from feedrate.plugin.registry import Registry
from feedrate.plugin.strategy import near
from feedrate.plugin.workload import Workload
from feedrate.records.cell_key import split_spec

__all__ = ["arguments", "run"]


def arguments(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument(
        "names", nargs="+", metavar="NAME", help="a loader, step or workload, such as workers[count=2], or a file"
    )
    promise_arguments(parser)
    training_arguments(parser)
    add_plugin(parser.add_argument)
    add_json(parser.add_argument)


def run(options: Namespace, shell: CommandContext) -> int:
    """Hold each strategy to each promise: 0 when all are kept, 1 when one is broken."""
    files = [Path(name) for name in options.names if name.endswith(".py")]
    registry = Registry.load([*options.plugin, *files])
    strategies = [strategy for name in options.names for strategy in _strategies(name, registry)]
    for strategy in strategies:
        demand_needs(strategy)
    demand_trainable(strategies, options)
    told = list(_all_verdicts(strategies, options, shell, registry))
    demand_served(told)
    if options.json:
        shell.print_json(told)
    return int(any(verdict["broken"] for verdict in told))


def _strategies(name: str, registry: Registry) -> list[Strategic]:
    """What a name means: strategies of each family that has it, or all that a file offers."""
    if name.endswith(".py"):
        mine = {key for key, origin in registry.origins.items() if origin == str(Path(name))}
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


def _all_verdicts(
    strategies: Iterable[Strategic], options: Namespace, shell: CommandContext, registry: Registry
) -> Iterator[dict[str, object]]:
    for strategy in strategies:
        if isinstance(strategy, Workload):
            yield from workload_verdicts(strategy, options, shell)
    others = [strategy for strategy in strategies if not isinstance(strategy, Workload)]
    if others:
        yield from verdicts(others, options, shell, registry)
    for strategy in strategies if options.train else ():
        if is_trainable(strategy):
            workload = strategy if isinstance(strategy, Workload) else first_workload(options.workload, registry)
            yield from training_verdict(strategy, workload, options, shell)

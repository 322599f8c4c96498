"""`feedrate list`: say what there is to measure, and what each needs."""

from __future__ import annotations

import inspect
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence

from feedrate.cli.context import CommandContext
from feedrate.cli.options import add_json, add_plugin
from feedrate.plugin.knobs import Knob, text
from feedrate.plugin.registry import Registry
from feedrate.plugin.strategy import Strategy
from feedrate.plugin.workload import Workload
from feedrate.report.grid import Column, Row, print_grid

__all__ = ["arguments", "run"]


def arguments(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    add_plugin(parser.add_argument)
    parser.add_argument("--all", "-a", action="store_true", help="also what runs only when it is asked for by name")
    add_json(parser.add_argument)


def run(options: Namespace, shell: CommandContext) -> int:
    """List the strategies; 0 also when a plugin is broken, for it is named and the others work."""
    registry = Registry.load(options.plugin)
    families: dict[str, Mapping[str, Strategy]] = {
        "workload": registry.workloads,
        "loader": registry.loaders,
        "step": registry.steps,
    }
    if options.json:
        described = {
            f"{kind}s": [_described(kind, strategy, registry) for strategy in known.values()]
            for kind, known in families.items()
        }
        shell.print_json({**described, "broken": list(registry.broken)})
        return 0
    for kind, known in families.items():
        shown = [strategy for strategy in known.values() if options.all or not strategy.hidden]
        _show(shell, kind, shown, registry)
    hidden = [strategy.name for known in families.values() for strategy in known.values() if strategy.hidden]
    if hidden and not options.all:
        shell.out.print(f"{len(hidden)} more run when they are named; `feedrate list --all` shows them", soft_wrap=True)
    for line in registry.broken:
        shell.out.print(f"broken: {line}", style="red", soft_wrap=True)
    return 0


def _described(kind: str, strategy: Strategy, registry: Registry) -> dict[str, object]:
    return {
        "name": strategy.name,
        "about": _about(strategy),
        "plugin": registry.origins.get(f"{kind}/{strategy.name}"),
        "hidden": strategy.hidden,
        "on_request": strategy.on_request,
        "knobs": strategy.knob_choices(),
        "ranges": strategy.ranges(),
        "missing": [{"what": need.what, "hint": need.hint} for need in strategy.unmet_needs()],
    }


def _show(shell: CommandContext, kind: str, strategies: Sequence[Strategy], registry: Registry) -> None:
    columns = (
        *(Column(f"{kind}s"), Column("state"), Column("from", leaves=1)),
        Column("about; its own knobs, the default first, and the range of each number", wraps=True),
    )
    print_grid(shell.out, columns, [_row(kind, strategy, registry) for strategy in strategies])
    for hint in dict.fromkeys(need.reason for strategy in strategies for need in strategy.unmet_needs()):
        shell.out.print(f"  missing: {hint}", soft_wrap=True)
    shell.out.print()


def _row(kind: str, strategy: Strategy, registry: Registry) -> Row:
    origin = registry.origins.get(f"{kind}/{strategy.name}", "")
    return Row((strategy.name, _state(strategy), origin, _summary(strategy)), "dim" if strategy.unmet_needs() else "")


def _state(strategy: Strategy) -> str:
    if strategy.unmet_needs():
        return f"needs {', '.join(need.what for need in strategy.unmet_needs())}"
    return "ready" if strategy.is_default else "on request"


def _summary(strategy: Strategy) -> str:
    shared = {name for base in type(strategy).__mro__[1:] for name in getattr(base, "__dataclass_fields__", {})}
    knobs = " ".join(_knob(knob) for knob in strategy.declared() if knob.name not in shared)
    about = f"{strategy.format}: {_about(strategy)}" if isinstance(strategy, Workload) else _about(strategy)
    return f"{about} {knobs}".strip()


def _knob(knob: Knob) -> str:
    """Its values, and where it takes numbers, which."""
    values = f"{knob.name}={'|'.join(map(text, knob.choices))}"
    return f"{values} ({knob.range})" if knob.is_number else values


def _about(strategy: Strategy) -> str:
    # A dataclass without a docstring gets its signature for one: that is no description.
    text = inspect.cleandoc(type(strategy).__doc__ or "")
    return "" if text.startswith(f"{type(strategy).__name__}(") else text.partition("\n\n")[0].replace("\n", " ")

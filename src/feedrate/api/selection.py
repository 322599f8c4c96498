"""Select cells: every combination of the workloads, loaders and steps that were named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from feedrate.api.cells import offered
from feedrate.errors import UsageError
from feedrate.plugin.cell import Cell
from feedrate.plugin.loader import Loader
from feedrate.plugin.registry import Registry
from feedrate.plugin.step import Step
from feedrate.plugin.strategy import Strategy
from feedrate.plugin.workload import Workload

__all__ = ["Selection"]

S = TypeVar("S", bound=Strategy)
_COPY_KNOBS = ("copy", "pin")
"""Knobs of every loader that say how batches get to a CUDA device: without one they change nothing."""


@dataclass(frozen=True)
class Selection:
    """What the user named of each family; nothing named means all that run by default."""

    size: str
    device: str
    workloads: Sequence[Workload | str] = ()
    loaders: Sequence[Loader | str] = ()
    steps: Sequence[Step | str] = ()
    sweep: bool = False
    """Every combination of the values that loaders' and steps' knobs list, instead of one cell for each."""

    def cells(self, registry: Registry) -> tuple[Cell, ...]:
        """Give the cells, workload by workload.

        Raises:
            UsageError: a name is unknown, or there is nothing to run.
        """
        workloads = _named("workload", self.workloads, registry.workload, registry.workloads)
        loaders = self._turned(_named("loader", self.loaders, registry.loader, registry.loaders))
        steps = self._turned(_named("step", self.steps, registry.step, registry.steps))
        cells = [
            Cell(workload, workload.own_size(self.size), loader, step, self.device)
            for workload in workloads
            for step in self._taking(steps, workload)
            for loader in loaders
        ]
        if not cells:
            lacking = [
                kind for kind, some in (("workloads", workloads), ("loaders", loaders), ("steps", steps)) if not some
            ]
            broken = "".join(f"; {line}" for line in registry.broken)
            raise UsageError(f"no plugin offers any {' or '.join(lacking)}{broken}")
        return tuple(dict.fromkeys(cells))

    def _taking(self, steps: Sequence[Step], workload: Workload) -> list[Step]:
        """The steps that can take its batches.

        Raises:
            UsageError: one was named and cannot.
        """
        taking = [step for step in steps if workload.has_model or not step.trains]
        if self.steps and len(taking) < len(steps):
            trains = next(step for step in steps if step not in taking)
            raise UsageError(f"{workload}: has no model for the step {trains} to train; {_without_model(steps)}")
        return taking

    def _turned(self, strategies: Sequence[S]) -> list[S]:
        if not self.sweep:
            return list(strategies)
        return [variant for strategy in strategies for variant in strategy.sweep() if self._matters(variant, strategy)]

    def _matters(self, variant: Strategy, named: Strategy) -> bool:
        """False for a combination that runs the very same code as another one."""
        idle = _COPY_KNOBS if isinstance(named, Loader) and self.device == "cpu" else ()
        return all(variant.knobs[knob] == named.knobs[knob] for knob in idle)


def _without_model(steps: Sequence[Step]) -> str:
    return "leave it away" if len(steps) > 1 else "leave --step away"


def _named(family: str, asked: Sequence[S | str], parse: Callable[[str], S], known: Mapping[str, S]) -> list[S]:
    return [offered(family, strategy, parse) for strategy in asked] if asked else list(_shown(known))


def _shown(known: Mapping[str, S]) -> Iterator[S]:
    return (strategy for strategy in known.values() if strategy.is_default)

"""Which cells a command line means."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from feedrate.errors import UsageError
from feedrate.plugin.cell import Cell
from feedrate.plugin.loader import Loader
from feedrate.plugin.registry import Registry
from feedrate.plugin.strategy import Strategy

__all__ = ["Selection"]

S = TypeVar("S", bound=Strategy)
_COPY_KNOBS = ("copy", "pin")
"""Knobs of every loader that say how batches get to a CUDA device: without one they change nothing."""


@dataclass(frozen=True)
class Selection:
    """What the user named of each family; nothing named means all that are not hidden."""

    size: str
    device: str
    workloads: Sequence[str] = ()
    loaders: Sequence[str] = ()
    steps: Sequence[str] = ()
    sweep: bool = False
    """Every combination of the values that loaders' and steps' knobs list, instead of one cell for each."""

    def cells(self, registry: Registry) -> tuple[Cell, ...]:
        """The cells, workload by workload.

        Raises:
            UsageError: a name is unknown, or there is nothing to run.
        """
        workloads = _named(self.workloads, registry.workload, registry.workloads)
        loaders = self._turned(_named(self.loaders, registry.loader, registry.loaders))
        steps = self._turned(_named(self.steps, registry.step, registry.steps))
        found = [
            Cell(w, self.size, loader, step, self.device) for w in workloads for step in steps for loader in loaders
        ]
        if not found:
            lacking = [
                kind for kind, some in (("workloads", workloads), ("loaders", loaders), ("steps", steps)) if not some
            ]
            broken = "".join(f"; {line}" for line in registry.broken)
            raise UsageError(f"no plugin offers any {' or '.join(lacking)}{broken}")
        return tuple(dict.fromkeys(found))

    def _turned(self, strategies: Sequence[S]) -> list[S]:
        if not self.sweep:
            return list(strategies)
        return [turned for strategy in strategies for turned in strategy.swept() if self._matters(turned, strategy)]

    def _matters(self, turned: Strategy, named: Strategy) -> bool:
        """False for a combination that runs the very same code as another one."""
        idle = _COPY_KNOBS if isinstance(named, Loader) and self.device == "cpu" else ()
        return all(turned.knobs[knob] == named.knobs[knob] for knob in idle)


def _named(specs: Sequence[str], parse: Callable[[str], S], known: Mapping[str, S]) -> list[S]:
    return [parse(spec) for spec in specs] if specs else list(_shown(known))


def _shown(known: Mapping[str, S]) -> Iterator[S]:
    return (strategy for strategy in known.values() if not strategy.hidden)

"""The order of a run: all cells once, then all again, so that a machine that drifts drifts for all of them alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from feedrate.plugin.cell import Cell
from feedrate.records.measurement import Failure, Outcome

__all__ = ["Begin", "Measure", "Run"]

Measure = Callable[[str, int], Outcome]
"""(cell, replicate) -> what came of it, in a fresh process."""
Begin = Callable[[str, int], None]
"""Told of a cell before it starts, and how many measurements are still to come, this one among them."""


@dataclass(frozen=True)
class Run:
    """One invocation: what its records have in common, and how it measures."""

    name: str
    started: str
    environment: Mapping[str, object]
    measure: Measure

    def outcomes(self, cells: Sequence[Cell], replicates: int, begin: Begin) -> Iterator[Outcome]:
        """Yield outcomes as they come.

        A cell whose needs are not met is not started: it is one failure, `unavailable`. A cell that failed is not tried
        again: it has no number whatever its other replicates would say, and a hang costs its whole deadline.
        """
        ready: list[str] = []
        for cell in cells:
            unmet = cell.unmet_needs
            if unmet:
                yield self.unavailable(str(cell), "; ".join(need.reason for need in unmet))
            else:
                ready.append(str(cell))
        yield from self.outcomes_of(ready, replicates, begin)

    def outcomes_of(self, ready: Sequence[str], replicates: int, begin: Begin) -> Iterator[Outcome]:
        """Yield outcomes of cells by their names: all once, then all again, but none that failed."""
        for replicate in range(replicates):
            failed: set[str] = set()
            for place, name in enumerate(ready):
                begin(name, len(ready) * (replicates - replicate) - place - len(failed) * (replicates - replicate - 1))
                outcome = self.measure(name, replicate)
                yield outcome
                if isinstance(outcome, Failure):
                    failed.add(name)
            ready = [name for name in ready if name not in failed]

    def unavailable(self, cell: str, reason: str, replicate: int = 0) -> Failure:
        """A cell that cannot be run here, and why."""
        return Failure(
            cell=cell,
            run=self.name,
            replicate=replicate,
            started=self.started,
            environment=self.environment,
            log="",
            why="unavailable",
            reason=reason,
        )

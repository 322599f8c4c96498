"""The order of a run: all cells once, then all again, so that a machine that drifts drifts for all of them alike.

Cells that differ in their loader alone, which are what a table compares, may change places within each round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from random import Random

from feedrate.plugin.cell import Cell
from feedrate.records.cell_key import CellKey
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

    def outcomes(
        self, cells: Sequence[Cell], replicates: int, begin: Begin, order_seed: int | None = None
    ) -> Iterator[Outcome]:
        """Yield outcomes as they come, in an order that follows from the seed; None: in that of `cells`.

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
        yield from self.outcomes_of(ready, replicates, begin, order_seed)

    def outcomes_of(
        self, ready: Sequence[str], replicates: int, begin: Begin, order_seed: int | None = None
    ) -> Iterator[Outcome]:
        """Yield outcomes of cells by their names: all once, then all again, but none that failed."""
        for replicate in range(replicates):
            failed: set[str] = set()
            for place, name in enumerate(_shuffled(ready, order_seed, replicate)):
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


def _shuffled(names: Sequence[str], seed: int | None, replicate: int) -> Sequence[str]:
    """Have cells that follow one another, and differ in their loader alone, change places."""
    if seed is None:
        return names
    shuffled: list[str] = []
    random = Random(f"{seed}/{replicate}")
    for _, alike in groupby(names, lambda name: CellKey.parse(name)._replace(loader="")):
        members = list(alike)
        random.shuffle(members)
        shuffled += members
    return shuffled

"""Lay out loaders against steps: what a better loader, and a better step, could still gain in each cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from feedrate.formatting import number
from feedrate.report.ceilings import ceiling_text, ceiling_with_interval
from feedrate.report.step_group import StepGroup
from feedrate.report.summary_row import SummaryRow

__all__ = ["GridCell", "LoaderGrid", "loader_grid"]

_DEEPEST = 3.0
"""Gain at which a colour is full: what lies beyond says push this side, and no more."""


@dataclass(frozen=True)
class GridCell:
    """Hold one cell of the grid, as texts."""

    row: SummaryRow
    mark: str
    """`*` leads, `~` leads together with others, `?` doubtful; else empty."""

    @property
    def rate(self) -> str:
        """Give samples a second, or why there are none."""
        if self.row.samples_per_s:
            return number(self.row.samples_per_s.mean, 4)
        return "failed" if self.row.available else "n/a"

    @property
    def loader_gain(self) -> str:
        """Say what a perfect loader would gain."""
        return ceiling_text(self.row.mean(lambda m: m.loader_ceiling)) if self.row.whole else ""

    @property
    def step_gain(self) -> str:
        """Say what a perfect step would gain."""
        return ceiling_text(self.row.mean(lambda m: m.step_ceiling)) if self.row.whole else ""

    @property
    def told(self) -> str:
        """Say both with their intervals."""
        if not self.row.whole:
            return ""
        loader, step = self.row.ceiling(lambda m: m.loader_ratio()), self.row.ceiling(lambda m: m.step_ratio())
        return f"loader up to {ceiling_with_interval(loader)}; step up to {ceiling_with_interval(step)}"

    @property
    def heat(self) -> int:
        """Give how deep its colour is, in per cent: by the logarithm of what a perfect loader would gain."""
        ceiling = self.row.mean(lambda m: m.loader_ceiling)
        if ceiling is None or ceiling <= 1:
            return 0
        return round(100 * min(1.0, math.log(ceiling) / math.log(_DEEPEST)))


@dataclass(frozen=True)
class LoaderGrid:
    """Hold the grid of one workload."""

    steps: tuple[str, ...]
    lines: tuple[tuple[str, tuple[GridCell | None, ...]], ...]
    """Each loader and its cells in the order of `steps`; None: there is no such cell."""


def loader_grid(groups: Sequence[StepGroup]) -> LoaderGrid:
    """Lay out the steps that have a number; a step whose cells have none is told of elsewhere."""
    shown = [group for group in groups if group.whole]
    cells = {(row.loader, group.step): GridCell(row, group.mark(row)) for group in shown for row in group.rows}
    loaders = dict.fromkeys(row.loader for group in shown for row in group.rows)
    steps = tuple(group.step for group in shown)
    return LoaderGrid(steps, tuple((loader, tuple(cells.get((loader, step)) for step in steps)) for loader in loaders))

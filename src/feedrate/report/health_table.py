"""Print how the model of each step answered its targets, column by column, and the gradient of each of its modules."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter

from rich.console import Console
from rich.text import Text

from feedrate.formatting import ABSENT, number, share
from feedrate.records.training_health import ForecastHealth, TrainingHealth
from feedrate.report.grid import Column, Row, print_entry, print_grid
from feedrate.report.summary_row import SummaryRow

__all__ = ["HEALTH_COLUMNS", "print_health"]

HEALTH_COLUMNS = (
    *(Column("step"), Column("target"), Column("target NaN", right=True), Column("NaN", right=True)),
    *(Column("mean", right=True, leaves=2), Column("deviation", right=True, leaves=1)),
    *(Column("target deviation", right=True, leaves=3), Column("scale", right=True), Column("IC", right=True)),
)
_MOST_COLUMNS = 8
"""Of a target with more, their mean and the one of least scale are shown; the raw results have all."""


def print_health(console: Console, rows: Sequence[SummaryRow]) -> None:
    """Print a line for each target of each step, of the first loader that has them: loaders do not change a model."""
    looked_at = [(step, health) for step, health in _by_step(rows) if health is not None]
    lines = [Row((step, *texts)) for step, health in looked_at for texts in _lines(health.forecasts)]
    if lines:
        console.print()
        print_grid(console, HEALTH_COLUMNS, lines)
    for step, health in looked_at:
        if health.gradient_norm is not None:
            parts = ", ".join(f"{part.module} {number(part.norm)}" for part in health.gradients)
            count = "" if health.parameters is None else f" of {health.parameters:,} parameters"
            print_entry(console, "", 2, Text(f"{step}: gradient {number(health.gradient_norm)}{count}: {parts}"))


def _by_step(rows: Sequence[SummaryRow]) -> Iterator[tuple[str, TrainingHealth | None]]:
    for step, members in groupby(rows, key=lambda row: row.step):
        measured = (measurement.health for row in members for measurement in row.measured)
        yield step, next((health for health in measured if health is not None), None)


def _lines(forecasts: Sequence[ForecastHealth]) -> Iterator[tuple[str, ...]]:
    for target, members in groupby(forecasts, key=lambda forecast: forecast.target):
        columns = list(members)
        if len(columns) <= _MOST_COLUMNS:
            yield from (_line(column.name, [column]) for column in columns)
            continue
        yield _line(f"{target}, mean of {len(columns)}", columns)
        least = min(columns, key=lambda column: (column.scale is None, column.scale or 0.0))
        yield _line(f"{least.name}, least scale", [least])


def _line(name: str, columns: Sequence[ForecastHealth]) -> tuple[str, ...]:
    def mean(quantity: Callable[[ForecastHealth], float | None]) -> float | None:
        values = [value for column in columns if (value := quantity(column)) is not None]
        return statistics.fmean(values) if values else None

    correlation = mean(attrgetter("correlation"))
    return (
        name,
        *(share(mean(attrgetter(quantity))) for quantity in ("missing", "predicted_missing")),
        *(number(mean(attrgetter(quantity))) for quantity in ("mean", "deviation", "target_deviation", "scale")),
        ABSENT if correlation is None else f"{correlation:.2f}",
    )

"""Draw how cells that several runs measured changed from run to run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from feedrate.formatting import number
from feedrate.records.cell_key import CellKey
from feedrate.records.measurement import Outcome
from feedrate.report.page.chart import Chart, Colours, Trace, halves, hover, shown
from feedrate.report.page.run_file import RunFile
from feedrate.report.summary_row import SummaryRow, rows

__all__ = ["history_chart"]

_READING = (
    "Samples a second of each cell that several runs on one machine measured, over its first of them. A line that "
    "moves is no verdict, for machines change their pace: feedrate compare tells whether a commit changed it."
)


def history_chart(key: str, workload: str, runs: Sequence[RunFile], colours: Colours) -> Chart | None:
    """Draw the cells of one workload over runs, the oldest first; None where no cell comes again."""
    several = {
        (machine, cell): places
        for (machine, cell), places in _by_cell(workload, runs).items()
        if len([row for row in places.values() if row.stands]) > 1
    }
    if not several:
        return None
    lines = [_line(cell, machine, places, colours) for (machine, cell), places in several.items()]
    layout = {
        "xaxis": {
            "tickmode": "array",
            "tickvals": list(range(len(runs))),
            "ticktext": [_named(run) for run in runs],
            "range": [-0.4, len(runs) - 0.6],
        },
        "yaxis": {"title": {"text": "samples/s over the first run's", "standoff": 8}},
    }
    return Chart(f"history-{key}", workload, _READING, lines, layout, height=400)


def _by_cell(workload: str, runs: Sequence[RunFile]) -> Mapping[tuple[str, str], dict[int, SummaryRow]]:
    by_cell: dict[tuple[str, str], dict[int, SummaryRow]] = {}
    for place, run in enumerate(runs):
        for row in rows(run.raced):
            if row.group[0] == workload and row.whole:
                by_cell.setdefault((_inner(row.measured[0], "machine", "name"), row.cell), {})[place] = row
    return by_cell


def _line(cell: str, machine: str, places: Mapping[int, SummaryRow], colours: Colours) -> Trace:
    key = CellKey.parse(cell)
    standing = {place: row.samples_per_s for place, row in places.items() if row.stands and row.samples_per_s}
    first = next(iter(standing.values())).mean
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "showlegend": False,
        "x": list(standing),
        "y": [rate.mean / first for rate in standing.values()],
        "error_y": {**halves(list(standing.values()), 1 / first), "color": colours.colour(key.loader)},
        "text": [
            hover(cell, f"{number(rate.mean, 4)} samples/s", f"x{number(rate.mean / first)} of its first run", machine)
            for rate in standing.values()
        ],
        "hoverinfo": "text",
        "line": {"color": colours.colour(key.loader), "width": 1.5},
        "marker": {"symbol": colours.symbol(key.step), "size": 8},
    }


def _named(run: RunFile) -> str:
    commit = next((_inner(outcome, "git", "commit")[:8] for outcome in run.outcomes), "")
    return "<br>".join(map(shown, (run.started[:10], run.started[11:16], commit)))


def _inner(outcome: Outcome, group: str, name: str) -> str:
    """Look up a text of an outcome's environment; empty where it is not there."""
    inner = outcome.environment.get(group)
    return str(inner.get(name) or "") if isinstance(inner, Mapping) else ""

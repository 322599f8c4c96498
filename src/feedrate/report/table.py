"""The table of a run: one row a cell, one table a workload, the best loader of each step marked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from rich.console import Console
from rich.text import Text

from feedrate.formatting import ABSENT, factor, megabytes, number, share
from feedrate.records.measurement import Outcome
from feedrate.report.caption import caption
from feedrate.report.glossary import explained, meaning_of
from feedrate.report.grid import Column, leaving, print_grid
from feedrate.report.grid import Row as Line
from feedrate.report.notes import notes
from feedrate.report.summary_row import SummaryRow, rows

__all__ = ["COLUMNS", "show"]

_HEADINGS = (
    *("step", "loader", "", "samples/s", "+-", "T_F ms", "T_L ms", "T_S ms", "loader up to", "step up to"),
    *("first s", "host MB", "GPU MB", "notes"),
)
COLUMNS = {heading: meaning_of(heading) for heading in _HEADINGS}
"""What each column says, by its heading."""
_LEFT = ("step", "loader", "", "notes")
_LEAVING = ("first s", "host MB", "GPU MB", "T_L ms", "T_S ms", "T_F ms", "step up to", "loader up to", "+-")
"""Columns that are left out where there is no room for all, the first one first."""
_COLUMNS = tuple(
    Column(
        heading,
        right=heading not in _LEFT,
        wraps=heading == "notes",
        leaves=_LEAVING.index(heading) + 1 if heading in _LEAVING else 0,
    )
    for heading in COLUMNS
)


def show(console: Console, outcomes: Iterable[Outcome], *, explain: bool = False) -> None:
    """Print all tables, their remarks, and what they were measured on; one line when there are no outcomes."""
    everything = list(outcomes)
    if not everything:
        console.print("nothing was measured")
        return
    summaries = sorted(rows(everything), key=lambda row: row.group)
    for (workload, size, device), members in groupby(summaries, key=lambda row: row.group):
        _show_group(console, f"{workload}, {size}, {device}", list(members))
    for line in caption(everything):
        console.print(Text(line, style="dim"), soft_wrap=True)
    legend = [f"{heading:>12}  {text}" for heading, text in explained(COLUMNS)]
    legend.append(f"on a narrow terminal these are left out first: {leaving(_COLUMNS)}")
    for line in legend if explain else ("`feedrate show --explain` says what each column is",):
        console.print(Text(line, style="dim"), soft_wrap=True)


def _show_group(console: Console, title: str, members: list[SummaryRow]) -> None:
    ordered = list(_ranked(members))
    remarks = list(dict.fromkeys(remark for row in ordered for remark in notes(row)))
    console.print(Text(title, style="bold"))
    on_device = any(row.mean(lambda m: m.device_peak_bytes) for row in ordered)
    columns = [column for column in _COLUMNS if column.heading != "GPU MB" or on_device]
    print_grid(console, columns, [_line(row, loader, columns, ordered, remarks) for row, loader in _listed(ordered)])
    for index, remark in enumerate(remarks, 1):
        console.print(Text(f"{index:>3}  {remark}"), soft_wrap=True)
    console.print()


def _ranked(members: list[SummaryRow]) -> Iterator[SummaryRow]:
    """The rows step by step; within a step the fastest first; what has no number comes last in either."""
    by_step: dict[str, list[SummaryRow]] = {}
    for row in members:
        by_step.setdefault(row.step, []).append(row)
    for mine in sorted(by_step.values(), key=lambda members: not any(row.whole for row in members)):
        yield from sorted(mine, key=lambda row: (not row.available, not row.whole, -_rate(row)))


def _listed(ordered: list[SummaryRow]) -> Iterator[tuple[SummaryRow, str]]:
    """The rows with what stands for their loader: one row for all loaders of a step that cannot run here at all."""
    for _, group in groupby(ordered, key=lambda row: row.step):
        mine = list(group)
        if len(mine) > 2 and not any(row.available for row in mine) and len({tuple(notes(row)) for row in mine}) == 1:
            yield mine[0], f"all {len(mine)}"
        else:
            yield from ((row, row.loader) for row in mine)


def _rate(row: SummaryRow) -> float:
    return row.samples_per_s.mean if row.samples_per_s else 0.0


def _line(
    row: SummaryRow, loader: str, columns: Iterable[Column], ordered: list[SummaryRow], remarks: list[str]
) -> Line:
    mark = _mark(row, [other for other in ordered if other.step == row.step])
    texts = _texts(row, mark, remarks) | {"loader": loader}
    return Line([texts[column.heading] for column in columns], _style(row, mark))


def _mark(row: SummaryRow, rivals: list[SummaryRow]) -> str:
    """`*` for the fastest of several, `~` for those whose interval reaches into the fastest's, `?` for the doubtful."""
    if row.whole and row.is_doubtful:
        return "?"
    rated = [rival for rival in rivals if rival.samples_per_s and not rival.is_doubtful]
    best = max(rated, key=_rate, default=row)
    if len(rated) < 2 or not row.samples_per_s or not best.samples_per_s:
        return ""
    if row is best:
        return "*"
    both_spread = row.samples_per_s.half is not None and best.samples_per_s.half is not None
    return "~" if both_spread and row.samples_per_s.high >= best.samples_per_s.low else ""


def _style(row: SummaryRow, mark: str) -> str:
    if not row.available:
        return "dim"
    return "red" if row.failed else "bold green" if mark == "*" else ""


def _texts(row: SummaryRow, mark: str, remarks: list[str]) -> dict[str, str]:
    rate = row.samples_per_s
    lacking = "failed" if row.available else "n/a"
    return {
        "step": row.step,
        "loader": row.loader,
        "": mark,
        "samples/s": number(rate.mean, 4) if rate else lacking,
        "+-": share(rate.half / rate.mean) if rate and rate.half is not None else ABSENT,
        "T_F ms": _ms(row.mean(lambda m: m.full_batch_mean_s)),
        "T_L ms": _ms(row.mean(lambda m: m.loader_batch_s)),
        "T_S ms": _ms(row.mean(lambda m: m.step_batch_s)),
        "loader up to": factor(row.mean(lambda m: m.loader_ceiling)),
        "step up to": factor(row.mean(lambda m: m.step_ceiling)),
        "first s": number(row.mean(lambda m: m.first_batch_s)),
        "host MB": megabytes(row.mean(lambda m: m.host_peak_bytes)),
        "GPU MB": megabytes(row.mean(lambda m: m.device_peak_bytes)),
        "notes": ",".join(str(remarks.index(remark) + 1) for remark in notes(row)),
    }


def _ms(seconds: float | None) -> str:
    return number(None if seconds is None else 1e3 * seconds)

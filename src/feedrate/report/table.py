"""Print the table of a run: one row a cell, one table a workload, and a sentence on the loaders of each step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from rich.console import Console
from rich.text import Text

from feedrate.formatting import ABSENT, bare_ms, megabytes, number, share
from feedrate.records.measurement import Outcome
from feedrate.records.projection import TrainingLength
from feedrate.report.caption import caption
from feedrate.report.ceilings import ceiling_text
from feedrate.report.epoch_line import epoch_line, event_lines, shuffle_lines
from feedrate.report.gap_table import GAP_COLUMNS, print_gaps
from feedrate.report.glossary import explained, meaning_of
from feedrate.report.grid import Column, leaving, print_entry, print_grid
from feedrate.report.grid import Row as Line
from feedrate.report.health_table import HEALTH_COLUMNS, print_health
from feedrate.report.notes import Note, notes, shared_notes
from feedrate.report.projection_table import PROJECTION_COLUMNS, print_projections
from feedrate.report.scaling import scaling_of
from feedrate.report.step_group import StepGroup, step_groups
from feedrate.report.step_sentence import step_sentence
from feedrate.report.summary_row import SummaryRow, ranked, rows

__all__ = ["COLUMNS", "show"]

_TERMS = ("T_S", "lead", "noise")
"""What sentences and cells of a table hold besides its columns, as the glossary knows it."""

_DETAILS = ("epoch", "shuffle", "events")
"""What lines of details begin with."""
_HEADINGS = (
    *("step", "loader", "", "samples/s", "+-", "T_F ms", "T_L ms", "loader up to", "step up to"),
    *("first s", "host MB", "GPU MB", "notes"),
)
COLUMNS = {heading: meaning_of(heading) for heading in _HEADINGS}
"""What each column says, by its heading."""
_LEFT = ("step", "loader", "", "notes")
_LEAVING = ("first s", "host MB", "GPU MB", "T_L ms", "T_F ms", "step up to", "loader up to", "+-")
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
_MARGIN = 12
"""Characters of the names of lines below the tables."""


def show(
    console: Console,
    outcomes: Iterable[Outcome],
    *,
    explain: bool = False,
    details: bool = False,
    length: TrainingLength | None = None,
) -> None:
    """Print all tables, their remarks, and what they were measured on; one line when there are no outcomes.

    `details`: also T_S and the ceilings of each loader with their intervals, how the gaps between batches spread, and
    how the model of each step answered its targets.
    `length`: also what a training of that length would take with each loader.
    """
    everything = list(outcomes)
    if not everything:
        console.print("nothing was measured")
        return
    summaries = sorted(rows(everything), key=lambda row: row.group)
    shared = shared_notes(summaries)
    for (workload, size, device), members in groupby(summaries, key=lambda row: row.group):
        groups = step_groups(ranked(list(members)))
        _show_table(console, f"{workload}, {size}, {device}", groups, shared)
        whole = [row for group in groups for row in group.rows if row.whole]
        if details:
            made = epoch_line(whole)
            if made:
                print_entry(console, "epoch", _MARGIN, Text(made))
            for line in shuffle_lines(whole):
                print_entry(console, "shuffle", _MARGIN, Text(line))
            for line in event_lines(whole):
                print_entry(console, "events", _MARGIN, Text(line))
            print_gaps(console, whole)
            print_health(console, whole)
        if length is not None:
            print_projections(console, whole, length)
        console.print()
    for line in shared.values():
        print_entry(console, "note", _MARGIN, Text(line))
    for cell, scaling in scaling_of(summaries).items():
        print_entry(console, "ranks", _MARGIN, Text(f"{cell}: {scaling}"))
    for line in caption(everything):
        console.print(Text(line, style="dim"), soft_wrap=True)
    asked = [*((*GAP_COLUMNS, *HEALTH_COLUMNS) if details else ()), *(PROJECTION_COLUMNS if length is not None else ())]
    for line in (
        _legend(asked, _DETAILS if details else ())
        if explain
        else ("`feedrate show --explain` says what each column is",)
    ):
        console.print(Text(line, style="dim"), soft_wrap=True)


def _legend(others: Iterable[Column], terms: Iterable[str]) -> Iterator[str]:
    """Yield what each column and further terms mean, and in which order columns leave."""
    headings = [*COLUMNS, *(column.heading for column in others)]
    yield from (f"{heading:>12}  {text}" for heading, text in explained((*headings, *_TERMS, *terms)))
    yield f"on a narrow terminal these are left out first: {leaving(_COLUMNS)}"


def _show_table(console: Console, title: str, groups: Sequence[StepGroup], shared: Mapping[str, str]) -> None:
    """Print the rows of one workload, then a sentence on each step, then the remarks that rows refer to."""
    members = [row for group in groups for row in group.rows]
    own = {row.cell: [note for note in notes(row) if note.subject not in shared] for row in members}
    remarks = list(dict.fromkeys(note.text for row in members for note in own[row.cell]))
    numbers = {cell: ",".join(str(remarks.index(note.text) + 1) for note in mine) for cell, mine in own.items()}
    console.print(Text(title, style="bold"))
    on_device = any(row.mean(lambda m: m.device_peak_bytes) for row in members)
    columns = [column for column in _COLUMNS if column.heading != "GPU MB" or on_device]
    lines = [_line(row, loader, mark, numbers[row.cell], columns) for row, loader, mark in _listed(groups, own)]
    print_grid(console, columns, lines)
    for group in groups:
        sentence = step_sentence(group)
        if sentence:
            # Indented, so that no line but a row begins with the name of a step.
            print_entry(console, "", 2, Text(f"{group.step}: {sentence}", style="bold"))
    for index, remark in enumerate(remarks, 1):
        print_entry(console, f"{index:>3}", 5, Text(remark))


def _listed(groups: Iterable[StepGroup], own: Mapping[str, Sequence[Note]]) -> Iterator[tuple[SummaryRow, str, str]]:
    """Yield each row, what stands for its loader, and its mark: one for all loaders that cannot run here at all."""
    for group in groups:
        mine = group.rows
        unlike = {tuple(own[row.cell]) for row in mine}
        if len(mine) > 2 and not any(row.available for row in mine) and len(unlike) == 1:
            yield mine[0], f"all {len(mine)}", ""
        else:
            yield from ((row, row.loader, group.mark(row)) for row in mine)


def _line(row: SummaryRow, loader: str, mark: str, numbers: str, columns: Iterable[Column]) -> Line:
    texts = _texts(row) | {"loader": loader, "": mark, "notes": numbers}
    return Line([texts[column.heading] for column in columns], _style(row, mark))


def _style(row: SummaryRow, mark: str) -> str:
    if not row.available:
        return "dim"
    return "red" if row.failed else "bold green" if mark == "*" else ""


def _texts(row: SummaryRow) -> dict[str, str]:
    rate = row.samples_per_s
    lacking = "failed" if row.available else "n/a"
    return {
        "step": row.step,
        "samples/s": number(rate.mean, 4) if rate else lacking,
        "+-": share(rate.half / rate.mean) if rate and rate.half is not None else ABSENT,
        "T_F ms": bare_ms(row.mean(lambda m: m.full_batch_mean_s)),
        "T_L ms": bare_ms(row.mean(lambda m: m.loader_batch_s)),
        "loader up to": ceiling_text(row.mean(lambda m: m.loader_ceiling)),
        "step up to": ceiling_text(row.mean(lambda m: m.step_ceiling)),
        "first s": number(row.mean(lambda m: m.first_batch_s)),
        "host MB": megabytes(row.mean(lambda m: m.host_peak_bytes)),
        "GPU MB": megabytes(row.mean(lambda m: m.device_peak_bytes)),
    }

"""List every replicate beside the raw line that it was read from, for the eye and as CSV with all digits."""

from __future__ import annotations

import csv
import io
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from feedrate.formatting import bare_ms, megabytes, number
from feedrate.records.cell_key import CellKey
from feedrate.records.document import METRICS
from feedrate.records.measurement import Failure, Measurement, Outcome
from feedrate.records.validity import doubts
from feedrate.report.ceilings import ceiling_text
from feedrate.report.page.run_file import RunFile

__all__ = ["COLUMNS", "Figure", "LineRow", "as_csv", "csv_address", "line_rows", "raw_anchor"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Beginnings of a text that a spreadsheet would run."""


@dataclass(frozen=True)
class Figure:
    """Hold a number as it is, and as people read it."""

    value: float | None
    text: str


@dataclass(frozen=True)
class LineRow:
    """Hold one replicate and where it stands."""

    outcome: Outcome
    file: str
    line: int
    anchor: str
    """Identifier of its raw line on the page."""
    remark: str
    """Why it has no number, or what makes the number doubtful; empty: nothing does."""

    @property
    def key(self) -> CellKey:
        """Give the parts of its cell."""
        return CellKey.parse(self.outcome.cell)

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Give its numbers in the order of `COLUMNS`."""
        return tuple(_figure(self.outcome, metric, write) for metric, write in COLUMNS.values())


def _rate(value: float | None) -> str:
    return number(value, 4)


COLUMNS: Mapping[str, tuple[str, Callable[[float | None], str]]] = {
    "samples/s": ("samples_per_s", _rate),
    "T_F ms": ("full_batch_mean_s", bare_ms),
    "T_L ms": ("loader_batch_s", bare_ms),
    "T_S ms": ("step_batch_s", bare_ms),
    "loader up to": ("loader_ceiling", ceiling_text),
    "step up to": ("step_ceiling", ceiling_text),
    "first s": ("first_batch_s", number),
    "gap p50 ms": ("batch_gap_p50_s", bare_ms),
    "gap p99 ms": ("batch_gap_p99_s", bare_ms),
    "longest stall ms": ("longest_stall_s", bare_ms),
    "host MB": ("host_peak_bytes", megabytes),
    "GPU MB": ("device_peak_bytes", megabytes),
}
"""Heading of a column, the property of a measurement that it shows, and how."""


def _figure(outcome: Outcome, metric: str, write: Callable[[float | None], str]) -> Figure:
    value = getattr(outcome, metric) if isinstance(outcome, Measurement) else None
    return Figure(value, write(value))


def raw_anchor(run: int, line: int) -> str:
    """Give the identifier of a raw line on the page, by the number of its file there and its own."""
    return f"raw-{run}-{line}"


def line_rows(runs: Sequence[RunFile]) -> list[LineRow]:
    """List the replicates of all runs, those of diagnoses among them, in the order of the lines; failures come last."""
    listed = (
        LineRow(outcome, run.path.name, placed.line, raw_anchor(place, placed.line), _remark(outcome))
        for place, run in enumerate(runs)
        for placed in run.lines
        for outcome in _outcomes(placed.record)
    )
    return sorted(listed, key=lambda row: isinstance(row.outcome, Failure))


def _outcomes(record: object) -> Iterable[Outcome]:
    return (record,) if isinstance(record, Measurement | Failure) else getattr(record, "measured", ())


def _remark(outcome: Outcome) -> str:
    if isinstance(outcome, Failure):
        return f"{'n/a' if outcome.why == 'unavailable' else f'failed, {outcome.why}'}: {outcome.reason}"
    return "; ".join(f"doubtful: {doubt}" for doubt in doubts(outcome))


def as_csv(rows: Iterable[LineRow]) -> str:
    """Write every replicate with its metrics in SI units and all digits, and its file and line."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*_PLACE, *METRICS, "remark"])
    writer.writerows(map(_cells, rows))
    return text.getvalue()


_PLACE = ("file", "line", "run", "replicate", "started", "cell", *CellKey._fields)


def _cells(row: LineRow) -> Iterator[object]:
    outcome = row.outcome
    yield from (_text(row.file), row.line, _text(outcome.run), outcome.replicate, _text(outcome.started))
    yield from map(_text, (outcome.cell, *row.key))
    for metric in METRICS:
        value = getattr(outcome, metric, None)
        yield "" if value is None else value
    yield _text(row.remark)


def _text(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def csv_address(rows: Iterable[LineRow]) -> str:
    """Give the table as an address that a browser saves without a script and without a network."""
    return f"data:text/csv;charset=utf-8;base64,{b64encode(as_csv(rows).encode('utf-8', 'backslashreplace')).decode()}"

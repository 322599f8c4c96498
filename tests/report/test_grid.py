"""Tables at every width that a terminal may have: no number is cut, and columns leave in the order that is stated."""

from __future__ import annotations

import io
import re
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from feedrate.calibration.calibrate import CaseResult
from feedrate.cli import data, list
from feedrate.cli.context import CommandContext
from feedrate.comparison.comparison import StoppingRule
from feedrate.data.dataset import DataSet
from feedrate.records.window import Window
from feedrate.report import calibration as answers
from feedrate.report import comparison as duels
from feedrate.report import contention as besides
from feedrate.report import diagnosis as picture
from feedrate.report import diagnosis_details as rungs
from feedrate.report import table
from feedrate.report.audit_table import AUDIT_COLUMNS
from feedrate.report.console import console
from feedrate.report.gap_table import GAP_COLUMNS
from feedrate.report.grid import Column, Row, leaving, print_grid
from feedrate.report.health_table import HEALTH_COLUMNS
from feedrate.report.projection_table import PROJECTION_COLUMNS
from feedrate.report.study import STUDY_COLUMNS
from tests.comparison.test_blocks import always, duel, last
from tests.report.test_picture import diagnosis
from tests.support import ROOT
from tests.support.outcomes import failure, measurement

NUMBER = re.compile(r"\d(?:[\d.,]*\d)?")
WIDTHS = [*range(30, 201, 10), 37, 59, 61, 79, 81, 119, 121]


def printed(monkeypatch: pytest.MonkeyPatch, show: Callable[[Console], object], width: int | None) -> str:
    """What a terminal of that width gets, its colours taken away; what a pipe gets without a width."""
    for name, value in (("FORCE_COLOR", "1"), ("COLUMNS", str(width)), ("TERM", "xterm-256color")):
        if width is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    file = io.StringIO()
    show(console(file))
    return re.sub(r"\x1b\[[0-9;]*m", "", file.getvalue())


CELLS = [f"fxseq/tiny/{loader}/fp32/cuda" for loader in ("inline", "workers[count=2,prefetch=4]", "threads")]
MEASURED = [
    measurement(cell, replicate=k, full_ms=20 + k, device_reserved_peak_bytes=10**10) for cell in CELLS for k in (0, 1)
]


def run_tables(target: Console) -> None:
    other = measurement("fxseq/tiny/late/fp32/cuda", page_cache="cold")
    table.show(target, [*MEASURED, failure(), other], explain=True, details=True)


def measured_table(target: Console) -> None:
    table.show(target, MEASURED, explain=True)


def why_tables(target: Console) -> None:
    beside = {"step_beside": (Window(0.15, 10, 2_560),), "loader_beside": (Window(0.24, 10, 2_560),)}
    cells = [diagnosis(Window(0.2, 10, 2_560), **beside), diagnosis(Window(123.4, 10, 2_560))]
    picture.show(target, cells, explain=True)
    picture.show(target, cells, explain=True, details=True)


def compare_tables(target: Console) -> None:
    limits = StoppingRule(pairs=4)
    both = [duel(always(10), always(20), limits), duel(always(10), always(10.1), limits)]
    duels.show(target, both, last(both, limits))


def calibrate_table(target: Console) -> None:
    found = [
        CaseResult("slow step", "cell", "compute", "compute", "told", right=True, tries=1, seconds=12.5),
        CaseResult(
            "a row doubled", "cell", "no number: does not hold the rows", "12,345 samples/s", "told", right=False
        ),
    ]
    answers.show(target, found)


def list_table(target: Console) -> None:
    list.run(Namespace(plugin=[], all=True, json=False), CommandContext(target, target, {}))


TABLES = {
    "run": run_tables,
    "why": why_tables,
    "compare": compare_tables,
    "calibrate": calibrate_table,
    "list": list_table,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLES)
def test_no_number_is_cut_at_any_width(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = set(NUMBER.findall(printed(monkeypatch, TABLES[name], None)))
    assert len(numbers) >= 4

    for width in WIDTHS:
        text = printed(monkeypatch, TABLES[name], width)
        assert set(NUMBER.findall(text)) <= numbers, width
        assert "…" not in text, width
        assert not [
            line for line in re.findall(r"^(?:none|fp32|R\d|A|B|control) .*", text, re.M) if cell_len(line) > width
        ]


def test_data_sets_are_listed_whole_at_any_width(
    sums_data: DataSet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "sums-tiny").symlink_to(sums_data.folder)
    chosen = Namespace(action="list", audit=False, workloads=[], data=tmp_path, json=False, plugin=[], size=None)

    for width in WIDTHS:
        text = printed(monkeypatch, lambda target: data.run(chosen, CommandContext(target, target, {})), width)
        assert "sums-tiny" in text
        assert "ready" in text
        assert "203" in text or "no room here for: " in text, width


def test_columns_leave_in_the_order_that_is_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    stated = re.search(r"left out first: (.*); where", printed(monkeypatch, measured_table, None))
    assert stated is not None
    order = stated[1].split(", ")
    assert order[:3] == ["first s", "host MB", "GPU MB"]

    gone = set()
    for width in WIDTHS:
        said = re.search(r"^no room here for: (.*)$", printed(monkeypatch, measured_table, width), re.M)
        left = said[1].split(", ") if said else []
        assert sorted(left) == sorted(order[: len(left)]), width
        gone.add(len(left))
    assert len(gone) > 4


COLUMNS = (
    Column("name"),
    Column("samples s", right=True),
    Column("more", right=True, leaves=1),
    Column("about", wraps=True),
)
ROWS = (
    Row(("first[count=2]", "1,299", "72,024", "reads 1,000,000 rows, then mode=a|bb|ccc")),
    Row(("second", "3", "-", "")),
)


def grid(target: Console) -> None:
    print_grid(target, COLUMNS, ROWS)


@pytest.mark.parametrize("width", range(30, 201))
def test_a_table_is_never_wider_than_its_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    text = printed(monkeypatch, grid, width)

    assert max(map(cell_len, text.splitlines())) <= width
    assert {"first[count=2]", "1,299", "1,000,000"} <= set(text.split())
    assert "72,024" in text or "no room here for: more" in text


def test_a_terminal_that_is_too_narrow_gets_a_block_a_row_with_every_column(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = printed(monkeypatch, grid, 30).splitlines()

    assert lines == [
        "name       first[count=2]",
        "samples s  1,299",
        "more       72,024",
        "about      reads 1,000,000",
        "           rows, then mode=a|",
        "           bb|ccc",
        "",
        "name       second",
        "samples s  3",
        "more       -",
        "",
    ]


def test_a_pipe_gets_everything_without_trailing_blanks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert printed(monkeypatch, grid, None).splitlines() == [
        "name            samples s    more  about",
        "first[count=2]      1,299  72,024  reads 1,000,000 rows, then mode=a|bb|ccc",
        "second                  3       -",
    ]


def test_the_documentation_states_the_order_of_every_table() -> None:
    stated = (ROOT / "docs/results.md").read_text()
    every = (
        table._COLUMNS,
        GAP_COLUMNS,
        HEALTH_COLUMNS,
        rungs._COLUMNS,
        besides._COLUMNS,
        duels._SIDES,
        duels._FAMILY,
        answers._COLUMNS,
        data._COLUMNS,
        AUDIT_COLUMNS,
        PROJECTION_COLUMNS,
        STUDY_COLUMNS,
    )

    for columns in every:
        assert f"| {leaving(columns).partition(';')[0]} |" in stated

"""Each term is defined once, and the page, `--explain` and the tables agree on it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from feedrate.cli import data
from feedrate.comparison.paired_test import Word
from feedrate.diagnosis.evidence import STAGES
from feedrate.diagnosis.finding import Kind
from feedrate.report import calibration, comparison, contention, diagnosis_details, table
from feedrate.report.audit_table import AUDIT_COLUMNS
from feedrate.report.console import console
from feedrate.report.gap_table import GAP_COLUMNS
from feedrate.report.glossary import GLOSSARY, HEADINGS, explained, page
from feedrate.report.health_table import HEALTH_COLUMNS
from feedrate.report.projection_table import PROJECTION_COLUMNS
from feedrate.report.study import STUDY_COLUMNS, WATERFALL_COLUMNS
from tests.support import ROOT
from tests.support.outcomes import measurement

PAGE = ROOT / "docs/glossary.md"
TABLES = (
    table._COLUMNS, GAP_COLUMNS, diagnosis_details._COLUMNS, contention._COLUMNS, comparison._SIDES, comparison._FAMILY,
    calibration._COLUMNS, data._COLUMNS, HEALTH_COLUMNS, AUDIT_COLUMNS, PROJECTION_COLUMNS, STUDY_COLUMNS,
    WATERFALL_COLUMNS,
)  # fmt: skip
REMARKS = (
    *("doubtful", "page cache", "leak", "left running", "fallback", "failed", "n/a", "recompiles", "skipped updates"),
    *("drift", "prefetch bias", "refused", *table._TERMS),
)


def entries() -> dict[str, str]:
    """Term -> sentence, as the page has them."""
    lines = re.findall(r"^- \*\*(.+?)\*\*: (.+)\.$", PAGE.read_text(), re.M)
    return dict(lines)


def test_the_page_says_what_explain_says_entry_by_entry() -> None:
    assert entries() == dict(GLOSSARY)
    assert PAGE.read_text() == page(), "write docs/glossary.md anew from feedrate.report.glossary.page()"


@pytest.mark.parametrize("term", GLOSSARY)
def test_an_entry_is_one_sentence(term: str) -> None:
    assert not re.search(r"[.!?] [A-Z]|[.\n]$", GLOSSARY[term])


def test_every_heading_verdict_stage_and_remark_has_an_entry() -> None:
    headings = [column.heading for columns in TABLES for column in columns]
    terms = [HEADINGS.get(heading, heading) for heading in headings]

    wanted = {
        *terms,
        *get_args(Kind),
        *get_args(Word),
        *STAGES,
        *REMARKS,
        *diagnosis_details.TERMS,
        *diagnosis_details.LADDER_TERMS,
    }
    assert wanted - GLOSSARY.keys() == set()
    assert [term for term in HEADINGS.values() if term not in GLOSSARY] == []


def test_explain_prints_the_entries_of_its_columns(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as file:
        table.show(console(file), [measurement()], explain=True)
    lines = (tmp_path / "out").read_text().splitlines()

    assert [line for line in lines if line in {f"{name:>12}  {text}" for name, text in explained(table.COLUMNS)}] == [
        f"{name:>12}  {text}" for name, text in explained(table.COLUMNS)
    ]
    assert f"{'T_F ms':>12}  {entries()['T_F']}" in lines

"""Each decision says when it was made, whether it stands, and what it is about, and the index knows it."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from tests.support import ROOT

FOLDER = ROOT / "docs/decisions"
PAGES = sorted(FOLDER.glob("[0-9]*.md"))
HEAD = re.compile(
    r"# (?P<number>\d+)\. [^\n]+\n\n"
    r"Decided (?P<decided>\d{4}-\d\d-\d\d)(, changed (?P<changed>\d{4}-\d\d-\d\d))?\. "
    r"Status: (?P<status>accepted|superseded by \[\d+\]\((?P<successor>[^)]+)\))\.\n\n"
    r"(?P<first>.+?)\n\n",
    re.DOTALL,
)
ROW = re.compile(r"^\| \[(\d+)\] \| [^|]+ \| (\S+) \| (\S+) \| ([^|]+) \|$", re.MULTILINE)
WIDEST = 120


def head(page: Path) -> re.Match[str]:
    matched = HEAD.match(page.read_text())
    assert matched is not None, f"{page.name} does not begin with number, date, status and a paragraph"
    return matched


def test_pages_are_numbered_in_their_order() -> None:
    assert len(PAGES) >= 11
    assert [int(head(page)["number"]) for page in PAGES] == [int(page.name[:4]) for page in PAGES]
    assert [int(page.name[:4]) for page in PAGES] == [*range(1, len(PAGES) + 1)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_says_when_it_was_decided_and_whether_it_stands(page: Path) -> None:
    decided = date.fromisoformat(head(page)["decided"])

    assert date.fromisoformat(head(page)["changed"] or head(page)["decided"]) >= decided
    assert head(page)["successor"] is None or (FOLDER / head(page)["successor"]).is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_first_paragraph_is_read_without_the_code(page: Path) -> None:
    first = head(page)["first"]

    assert len(first.split()) >= 20
    assert re.findall(r"[`_*|#]|\w\(", first.replace("T_", "T")) == []


@pytest.mark.parametrize("page", [*PAGES, FOLDER / "README.md"], ids=lambda page: page.stem)
def test_no_line_is_wider_than_a_screen(page: Path) -> None:
    lines = page.read_text().splitlines()

    assert {number: len(line) for number, line in enumerate(lines, 1) if len(line) > WIDEST} == {}


def test_the_index_is_what_the_pages_say() -> None:
    index = (FOLDER / "README.md").read_text()
    heads = [head(page) for page in PAGES]

    assert ROW.findall(index) == [
        (matched["number"], matched["decided"], matched["changed"] or matched["decided"], matched["status"])
        for matched in heads
    ]
    links = re.findall(r"^\[(\d+)\]: (\S+)$", index, re.MULTILINE)
    assert links == [(matched["number"], page.name) for matched, page in zip(heads, PAGES, strict=True)]


def test_every_test_that_a_page_names_is_there() -> None:
    defined = {
        name
        for path in [*ROOT.glob("tests/**/*.py"), *ROOT.glob("plugins/*/tests_py/*.py")]
        for name in re.findall(r"^def (test_\w+)\(", path.read_text(), re.MULTILINE)
    }
    named = {name for page in PAGES for name in re.findall(r"`(test_\w+)`", page.read_text())}

    assert len(named) >= 10
    assert named - defined == set()

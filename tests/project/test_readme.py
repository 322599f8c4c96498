"""The README is short, and what it shows is what the documentation has."""

from __future__ import annotations

import re

from tests.support import ROOT

README = (ROOT / "README.md").read_text()
LONGEST = 110
"""Lines: a screen and a half."""


def printed(page: str) -> list[str]:
    """What runs printed, as a page shows it."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return [block for language, block in blocks if not language]


def test_it_is_a_screen_and_a_half_with_a_picture() -> None:
    assert len(README.splitlines()) <= LONGEST
    assert len(re.findall(r"^!\[", README, re.MULTILINE)) == 1


def test_its_table_and_its_diagnosis_are_those_of_the_pages() -> None:
    table, diagnosis = printed(README)
    whole = (ROOT / "docs/reading-the-numbers.md").read_text().splitlines()

    assert [line for line in table.splitlines() if line not in whole] == []
    assert diagnosis in (ROOT / "docs/own-training.md").read_text()

"""The trainings with known ailments are those that `scripts/cases.py` asks about, and say what ails them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from scripts.cases import CASES, FOLDER
from tests.cases.known.train import TRAININGS
from tests.support import ROOT

FILES = sorted(path for path in FOLDER.glob("*.py") if path.name != "training.py")


def test_each_training_is_asked_about_and_stands_in_the_table() -> None:
    assert sorted(case.name for case in CASES) == [path.stem for path in FILES]
    ailing, of_known_times = (ROOT / "docs/cases.md").read_text().split("\n## Trainings of known times\n")
    assert sorted(first_column(ailing)) == ["case", *(path.stem for path in FILES)]
    assert first_column(of_known_times) == ["training", *TRAININGS]


def first_column(page: str) -> list[str]:
    return re.findall(r"^\| (\w+) \|", page, re.MULTILINE)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_training_says_what_a_person_would_see_and_why_and_has_a_cure(path: Path) -> None:
    text = path.read_text()
    symptom, blank, cause = (ast.get_docstring(ast.parse(text)) or "").split("\n")
    assert symptom.endswith(".")
    assert cause.endswith(".")
    assert not blank
    assert re.search(r"cured\(\)|--cured", text)

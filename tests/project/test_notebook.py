"""The newcomer's notebook measures, diagnoses and compares, and a page shows its very lines."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

NOTEBOOK = ROOT / "examples/notebook.ipynb"
RUNNER = """
import ast, json, sys

scope = {}
for source in json.load(sys.stdin):
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), scope)
    value = eval(compile(ast.Expression(last.value), "cell", "eval"), scope) if last else None
    print(json.dumps([type(value).__name__, str(value), None if value is None else value._repr_html_()]))
"""
"""Runs cells as a notebook does, and prints the type, text and HTML of what each ends with."""


def code() -> list[str]:
    """The sources of its cells of code."""
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.alone
@pytest.mark.process
def test_the_notebook_measures_diagnoses_and_compares(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUNNER],
        cwd=tmp_path,
        input=json.dumps(code()),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    shown = {name: (text, page) for name, text, page in map(json.loads, done.stdout.splitlines())}
    assert set(shown) == {"NoneType", "Results", "DiagnosisResult", "ComparisonResult", "DataFrame"}
    for name, holds in (("Results", "samples/s"), ("DiagnosisResult", "T_F together"), ("ComparisonResult", "control")):
        text, page = shown[name]
        assert holds in text
        assert re.sub(r"\s+", "", holds) in re.sub(r"<[^>]*>|\s+", "", page)
    assert re.match(
        "FASTER|SLOWER|SAME|UNSURE|INVALID|.* is (the )?(FASTER|SLOWER|SAME) ", shown["ComparisonResult"][0]
    )
    assert "<table" in shown["DataFrame"][1]


def test_it_is_ten_lines_and_the_page_shows_them() -> None:
    lines = [line for source in code() for line in source.splitlines() if line]
    block = re.search(r"```python\n(.*?)```", (ROOT / "docs/python.md").read_text(), re.DOTALL)

    assert len(lines) <= 10
    assert block is not None
    assert [line for line in block[1].splitlines() if line] == lines


def test_the_notebook_is_kept_without_outputs() -> None:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    assert [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")] == []

"""The architecture page names what is there, in no more files than a reader can hold."""

from __future__ import annotations

import ast
import re

import pytest

from tests.support import ROOT
from tests.support.imports import LAYERS, PACKAGE

PAGE = (ROOT / "docs/architecture.md").read_text()
WAY = re.findall(r"^\| `([a-z_/]+\.py)` \| `([A-Za-z_.]+)` \|", PAGE, re.MULTILINE)
LARGE = 6
"""Modules of a package that a reader finds his way in without a page."""


def test_a_time_goes_from_the_disk_to_the_table_in_at_most_nine_files() -> None:
    assert 0 < len(WAY) <= 9


@pytest.mark.parametrize(("file", "name"), WAY)
def test_what_the_way_names_is_there(file: str, name: str) -> None:
    tree: ast.AST = ast.parse((PACKAGE / file).read_text())
    for part in name.split("."):
        (tree,) = (node for node in ast.iter_child_nodes(tree) if getattr(node, "name", "") == part)


def test_every_package_of_the_layers_is_on_the_page() -> None:
    for names in LAYERS:
        for name in names:
            assert name == "__main__" or f"`{name}`" in PAGE


def test_a_large_package_has_a_page_that_names_each_of_its_modules() -> None:
    for folder in sorted({path.parent for path in PACKAGE.rglob("*.py")} - {PACKAGE, PACKAGE / "builtin/models"}):
        modules = [path.name for path in folder.glob("*.py") if not path.name.startswith("_")]
        if len(modules) > LARGE and folder.parent != PACKAGE / "builtin":
            page = (folder / "README.md").read_text()
            assert [name for name in modules if name not in page] == [], folder

"""One version, wherever it is asked for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import feedrate
from feedrate.cli import main
from feedrate.system.environment import snapshot
from tests.support import ROOT


def declared(file: str, table: str) -> dict[str, object]:
    section: dict[str, object] = tomllib.loads((ROOT / file).read_text())[table]
    return section


def test_the_version_of_the_package_is_the_one_that_the_project_declares() -> None:
    assert feedrate.__version__ == declared("pyproject.toml", "project")["version"]


def test_the_command_line_and_every_record_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0

    assert capsys.readouterr().out == f"feedrate {feedrate.__version__}\n"
    assert snapshot({})["versions"]["feedrate"] == feedrate.__version__  # type: ignore[index]


@pytest.mark.parametrize("crate", sorted(ROOT.glob("plugins/*/Cargo.toml")), ids=lambda file: file.parent.name)
def test_a_plugin_of_the_checkout_has_the_version_of_feedrate(crate: Path) -> None:
    folder = str(crate.parent.relative_to(ROOT))
    package = declared(f"{folder}/Cargo.toml", "package")

    assert package["version"] == feedrate.__version__
    # maturin takes it from the crate: a second number here could only differ.
    assert declared(f"{folder}/pyproject.toml", "project")["dynamic"] == ["version"]
    locked = re.search(rf'name = "{package["name"]}"\nversion = "(.*)"', (crate.parent / "Cargo.lock").read_text())
    assert locked is not None
    assert locked[1] == feedrate.__version__

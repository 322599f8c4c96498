"""What a base install brings, and what one without the extras says where it needs them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from feedrate.cli import main
from feedrate.records.raw_results import append
from tests.support import ROOT
from tests.support.outcomes import measurement

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WITHOUT = "import sys; sys.modules |= dict.fromkeys(('pandas', 'polars', 'asv', 'plotly', 'virtualenv')); "
"""None in the place of a module is how Python says that it cannot be imported."""


def without_extras(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT + code]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_extras_are_no_dependencies() -> None:
    needed = {re.split(r"[^a-z0-9]", line)[0] for line in PROJECT["dependencies"]}

    assert {"numpy", "torch", "pyarrow"} <= needed
    assert not needed & {"pandas", "polars", "asv", "jinja2", "plotly", "matplotlib", "virtualenv"}


def test_every_extra_that_a_message_names_exists() -> None:
    sources = [*(ROOT / "src").rglob("*.py"), *(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]
    named = {extra for path in sources for extra in re.findall(r"feedrate\[([a-z]+)\]", path.read_text())}

    assert {"asv", "pandas"} <= named <= set(PROJECT["optional-dependencies"])


@pytest.mark.process
def test_results_without_pandas_is_one_line_that_says_what_to_install(tmp_path: Path) -> None:
    append(tmp_path / "raw.jsonl", measurement())

    done = without_extras(
        tmp_path, "import feedrate\ntry: feedrate.results('.')\nexcept feedrate.FeedrateError as e: print(e)"
    )

    assert done.stderr == ""
    assert done.stdout.count("\n") == 1
    assert 'pandas is not installed; `pip install "feedrate[pandas]"` provides it' in done.stdout


@pytest.mark.process
def test_show_gives_the_same_without_extras(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    append(tmp_path / "raw.jsonl", measurement())
    assert main(["show", str(tmp_path / "raw.jsonl"), "--json"]) == 0

    done = without_extras(tmp_path, "from feedrate.cli import main; sys.exit(main(['show', 'raw.jsonl', '--json']))")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == capsys.readouterr().out
    assert json.loads(done.stdout)[0]["metrics"]["samples_per_s"] > 0

"""Variables that somebody set in vain are named, and nothing of their values."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from feedrate.api.unread_variables import unread_variables
from feedrate.cli import main
from feedrate.system.environment import OWN_VARIABLES, SETTABLE
from tests.support import PLUGINS, ROOT


def test_every_variable_of_ours_that_is_read_is_known() -> None:
    sources = [*(ROOT / "src").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    read = {name for path in sources for name in re.findall(r"\"(FEEDRATE_[A-Z_]*[A-Z])\"", path.read_text())}

    assert read == OWN_VARIABLES
    page = (ROOT / "docs/settings.md").read_text()
    assert [name for name in SETTABLE if f"`{name}`" not in page] == []


def test_a_misspelt_variable_is_named_with_the_near_match(tmp_path: Path) -> None:
    (line,) = unread_variables({"FEEDRATE_DTA": "/secret", "FEEDRATE_SIZE": "tiny", "HOME": "/"}, tmp_path)

    assert line.startswith("FEEDRATE_DTA is set, and nobody reads it; did you mean FEEDRATE_DATA")


def test_what_a_file_would_set_is_named_where_it_matters_and_is_not_set(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "# OMP_DYNAMIC=1\nexport OMP_NUM_THREADS=3\nTOKEN=hidden\n MKL_NUM_THREADS = 2\nFEEDRATE_DATA=/x\nCUDA_CACHE=1"
    )

    (line,) = unread_variables({"CUDA_CACHE": "1"}, tmp_path)

    assert "would set OMP_NUM_THREADS, MKL_NUM_THREADS, FEEDRATE_DATA, and nobody reads it" in line
    assert "hidden" not in line


@pytest.mark.parametrize("kind", ["nothing", "a folder", "no text", "only what does not matter"])
def test_there_is_nothing_to_say_of_other_files(tmp_path: Path, kind: str) -> None:
    file = tmp_path / ".env"
    if kind == "a folder":
        file.mkdir()
    elif kind != "nothing":
        file.write_bytes(b"\xff\x00=\n" if kind == "no text" else b"TOKEN=1\n")

    assert list(unread_variables({}, tmp_path)) == []


@pytest.mark.parametrize("command", ["doctor", "run"])
def test_commands_name_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("OMP_NUM_THREADS=3\n")
    dry = ("run", "sums", "--loader", "plain", "--dry-run", "--plugin", str(PLUGINS / "offered.py"))

    assert main(dry if command == "run" else ("doctor", "--device", "cpu"), {"FEEDRATE_SZIE": "tiny"}) == 0

    told = capsys.readouterr()
    text = told.err if command == "run" else told.out
    assert "FEEDRATE_SZIE is set, and nobody reads it; did you mean FEEDRATE_SIZE" in text
    assert ".env would set OMP_NUM_THREADS, and nobody reads it here" in text

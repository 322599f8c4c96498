"""`scripts/install.sh`, with stand-ins for Python and uv: which build of torch it installs, and what it says."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support import ROOT

PYTHON = """#!/bin/sh
case "$*" in
"-m venv"*) mkdir -p "$4/bin" && cp "$0" "$4/bin/python" && cp "${0%/*}/uv" "$4/bin/uv" ;;
*"import os, torch"*) exit 1 ;;
esac
"""
UV = """#!/bin/sh
echo "$*" >>"$CALLS"
case "$*" in
*--dry-run*) eval "$ON_ASKING" ;;
*--torch-backend*) eval "$ON_CPU_BUILD" ;;
esac
"""
UNREACHABLE = (
    """printf 'error: Request failed\\n  cause: dns error\\n  cause: Name or service not known\\n' >&2; exit 2"""
)


def installed(
    folder: Path, torch: str, on_asking: str = "", on_cpu_build: str = ""
) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """What the script printed, and each call of uv but the one that only asks."""
    for name, program in (("python", PYTHON), ("uv", UV)):
        (folder / name).write_text(program)
        (folder / name).chmod(0o755)
    calls = folder / "calls"
    calls.touch()
    variables = {"PYTHON": str(folder / "python"), "TORCH": torch, "TORCH_WAIT_S": "1", "CALLS": str(calls)}
    command = ["bash", str(ROOT / "scripts/install.sh"), str(folder / "venv")]
    done = subprocess.run(
        command,
        env=os.environ | variables | {"ON_ASKING": on_asking, "ON_CPU_BUILD": on_cpu_build},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done, [call for call in calls.read_text().splitlines() if "--dry-run" not in call]


def test_without_torch_the_ordinary_build_is_installed_and_no_other_index_asked(tmp_path: Path) -> None:
    done, calls = installed(tmp_path, "", on_asking="echo asked >&2; exit 1")

    assert (done.returncode, done.stderr, len(calls)) == (0, "", 1)
    assert "--torch-backend" not in calls[0]
    assert "--editable .[asv,dev,pandas,polars,report]" in calls[0]
    assert (tmp_path / "venv/.installed").exists()


def test_the_cpu_build_is_installed_where_its_index_answers(tmp_path: Path) -> None:
    done, calls = installed(tmp_path, "cpu")

    assert (done.returncode, done.stderr, len(calls)) == (0, "", 1)
    assert "--torch-backend cpu" in calls[0]
    assert "--editable .[asv,dev,pandas,polars,report]" in calls[0]
    assert "with torch's CPU build (without CUDA's libraries)" in done.stdout
    assert (tmp_path / "venv/.installed").exists()


@pytest.mark.parametrize(
    ("on_asking", "reason"),
    [(UNREACHABLE, "Name or service not known"), ("exec sleep 300", "no answer within 1 s")],
)
def test_an_index_that_cannot_be_reached_is_one_line_and_the_ordinary_build(
    tmp_path: Path, on_asking: str, reason: str
) -> None:
    done, calls = installed(tmp_path, "cpu", on_asking)

    assert (done.returncode, done.stderr, len(calls)) == (0, "", 1)
    assert "--torch-backend" not in calls[0]
    assert done.stdout.splitlines()[0] == (
        f"install: torch's CPU builds cannot be reached ({reason}); going on with the ordinary build"
    )
    assert (tmp_path / "venv/.installed").exists()


def test_a_cpu_build_that_cannot_be_downloaded_is_one_line_and_the_ordinary_build(tmp_path: Path) -> None:
    done, calls = installed(tmp_path, "cpu", on_cpu_build="exit 1")

    assert (done.returncode, len(calls)) == (0, 2)
    assert "--torch-backend" not in calls[1]
    assert "cannot be installed, see above; going on with the ordinary build" in done.stdout


def test_another_build_is_refused_before_an_environment_is_cleared(tmp_path: Path) -> None:
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv/kept").touch()

    done, calls = installed(tmp_path, "rocm")

    assert (done.returncode, done.stdout, calls) == (2, "", [])
    assert done.stderr.count("\n") == 1
    assert "TORCH=rocm" in done.stderr
    assert (tmp_path / "venv/kept").exists()


@pytest.mark.parametrize("given", ["argument", "variable"])
def test_make_hands_torch_to_the_installation_alone(given: str) -> None:
    arguments, variables = (
        (["TORCH=cpu", "TORCH_WAIT_S=9"], {}) if given == "argument" else ([], {"TORCH": "cpu", "TORCH_WAIT_S": "9"})
    )
    asking = 'probe: ; @echo "$(TORCH) for make, $${TORCH:-none}$$TORCH_WAIT_S for others"'
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", "--silent", "--directory", str(ROOT), "--eval", asking, "probe", *arguments]

    done = subprocess.run(command, env=environment | variables, capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout == "cpu for make, none for others\n"

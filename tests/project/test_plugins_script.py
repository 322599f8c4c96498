"""`scripts/plugins.sh`, with stand-ins for Python and cargo: what of a plugin is installed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support import ROOT

PYTHON = """#!/bin/sh
echo "$*" >>"$CALLS"
case "$1" in
scripts/plugin_wheel.py) echo "$WHEEL"; exit "${BUILD_STATUS:-0}" ;;
esac
"""


def installed(folder: Path, **variables: str) -> tuple[int, list[str]]:
    """The script's exit status, and what pip was called with."""
    programs = folder / "venv/bin"
    programs.mkdir(parents=True)
    for name, program in (("python", PYTHON), ("cargo", "#!/bin/sh\n")):
        (programs / name).write_text(program)
        (programs / name).chmod(0o755)
    calls = folder / "calls"
    done = subprocess.run(
        ["bash", str(ROOT / "scripts/plugins.sh"), str(folder / "venv")],
        env=os.environ | {"CALLS": str(calls), "WHEEL": ""} | variables,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.returncode, [call for call in calls.read_text().splitlines() if "pip install" in call]


@pytest.mark.parametrize(
    ("wheel", "source"), [("kept/rust_prefetch.whl", "kept/rust_prefetch.whl"), ("", "plugins/rust_prefetch")]
)
def test_a_committed_plugin_is_installed_from_asvs_wheel_and_a_changed_one_from_its_folder(
    tmp_path: Path, wheel: str, source: str
) -> None:
    status, (call,) = installed(tmp_path, WHEEL=wheel)

    assert (status, call.split()[-1]) == (0, source)
    assert "--force-reinstall" in call
    assert (tmp_path / "venv/.plugins").exists()


def test_a_plugin_that_does_not_build_ends_the_installation(tmp_path: Path) -> None:
    status, calls = installed(tmp_path, BUILD_STATUS="1")

    assert (status, calls) == (1, [])
    assert not (tmp_path / "venv/.plugins").exists()

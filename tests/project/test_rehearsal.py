"""The script for a machine with a GPU, rehearsed here: all its parts, from carried wheels, without asv and Polars."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

PARTS = ("tests", "grid", "why", "calibrate", "threads", "asv")
MOST_BYTES, MOST_FILES = 16 << 20, 8
NOT_THERE = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("asv", "asv_runner", "polars"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
"""


def interpreter(folder: Path) -> Path:
    """A Python that lacks what a machine with a GPU may lack, and no network."""
    (folder / "site").mkdir()
    (folder / "site/sitecustomize.py").write_text(NOT_THERE)
    script = folder / "python"
    script.write_text(
        f'#!/bin/sh\nPYTHONPATH="$PYTHONPATH:{folder}/site" exec {sys.executable} "$@"\n', encoding="utf-8"
    )
    script.chmod(0o755)
    return script


@pytest.mark.alone
@pytest.mark.process
@pytest.mark.timeout(600)
def test_every_part_of_the_script_runs_and_what_it_leaves_is_small(tmp_path: Path) -> None:
    wheels, out = tmp_path / "wheels", tmp_path / "out"
    build = ["wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(wheels)]
    subprocess.run([sys.executable, "-m", "pip", *build, str(ROOT)], check=True, timeout=120, cwd=tmp_path)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("FEEDRATE_")}
    away = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    settings = environ | away | {"PYTHON": str(interpreter(tmp_path)), "WHEELS": str(wheels)}
    done = subprocess.run(
        ["bash", str(ROOT / "scripts/gpu.sh"), "--rehearse", str(out)],
        *(), cwd=tmp_path, env=settings, capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    told = (out / "summary.txt").read_text()
    assert [line.split()[2].rstrip(",") for line in told.splitlines() if line.startswith("gpu: --- ")] == list(PARTS)
    files = [file for file in out.rglob("*") if file.is_file()]
    assert len(files) <= MOST_FILES, files
    assert sum(file.stat().st_size for file in files) < MOST_BYTES
    for name in ("results.jsonl", "why.jsonl"):
        outcomes = [json.loads(line) for line in (out / name).read_text().splitlines()]
        assert outcomes, told
        assert all("/simulated" in json.dumps(outcome) for outcome in outcomes)
        assert all(outcome["kind"] != "failure" or outcome["why"] == "unavailable" for outcome in outcomes), told
    assert "\ncopies  " in told
    assert "asv over two commits is left out" in told
    assert "their times say nothing" in " ".join((out / "table.txt").read_text().split())
    # Tests of a device that are there are run, and none of them fails.
    assert " passed" in (out / "tests.txt").read_text() or "ended by its limit" in told
    assert " failed" not in (out / "tests.txt").read_text()

"""The example of asv in a repository of one's own, run whole by the real asv as its README says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from feedrate.asv.metrics import METRICS
from feedrate.records.measurement import Measurement
from feedrate.records.raw_results import read
from tests.support import ROOT

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]

EXAMPLE = ROOT / "examples/asv_in_your_repo"
CELLS = [f"boardmoves/tiny/{loader}/{step}/cpu" for loader in ("inline", "your_loader") for step in ("fp32", "none")]

PACKAGES = (str(ROOT / "src"), sysconfig.get_path("purelib"), str(Path(torch.__file__).parents[1]))
"""This checkout, and what it needs; torch may be that of the interpreter below."""


@dataclass(frozen=True)
class Repository:
    """A repository of somebody's own with the example in it, and an environment that holds asv."""

    folder: Path
    python: Path

    def asv(self, *arguments: str, status: int = 0, **variables: str) -> str:
        """Run asv there, demand that status, and give what it prints."""
        settings = {"FEEDRATE_SIZE": "tiny", "FEEDRATE_REPLICATES": "1", "FEEDRATE_DEVICE": "cpu"}
        environment = {**os.environ, **settings, **variables, "HOME": str(self.folder.parent)}
        return printed([self.python, "-m", "asv", *arguments], self.folder, environment, status)


def printed(command: list[str | Path], folder: Path, environment: dict[str, str] | None = None, status: int = 0) -> str:
    done = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == status, done.stdout
    return done.stdout


def lay_over_this(environment: Path) -> None:
    """Let an environment import this one's packages, and this checkout."""
    (site,) = environment.glob("lib/python*/site-packages")
    (site / "below.pth").write_text("".join(f"{folder}\n" for folder in PACKAGES))


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """One commit of the example as it stands; asv lies in an environment over this one, which is to have none."""
    home = tmp_path_factory.mktemp("home")
    shutil.copytree(EXAMPLE, home / "repository")
    printed([sys.executable, "-m", "venv", home / "asv"], home)
    python = home / "asv/bin/python"
    lay_over_this(home / "asv")
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["asv"]
    printed([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "virtualenv", *extra], home)
    made = Repository(home / "repository", python)
    git = ("git", "-c", "user.name=A", "-c", "user.email=a@example.org")
    for arguments in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "--message", "First")):
        printed([*git, *arguments], made.folder)
    return made


def results(repository: Repository) -> dict[str, list[Any]]:
    """What asv keeps of the commit: by metric, a value for each cell."""
    commit = printed(["git", "rev-parse", "HEAD"], repository.folder)[:8]
    (file,) = repository.folder.glob(f"results/*/{commit}-*.json")
    kept = json.loads(file.read_text())
    place = kept["result_columns"].index("result")
    return {name.rpartition("track_")[2]: row[place] for name, row in kept["results"].items()}


def test_the_example_is_measured_and_published_as_its_page_says(repository: Repository) -> None:
    repository.asv("machine", "--yes")
    # pip does not fetch what it sees there: feedrate, which would bring torch. asv ends with a list of environments,
    # which Python takes for a status of 1.
    repository.asv("setup", status=1, ASV_PYTHONPATH=os.pathsep.join(PACKAGES))
    (environment,) = repository.folder.glob(".asv/env/*/")
    lay_over_this(environment)
    repository.asv("run", "HEAD^!")
    repository.asv("publish")

    values = results(repository)
    assert set(values) == {metric.name for metric in METRICS}
    assert all(len(values[name]) == 4 and min(values[name]) > 0 for name in ("time_per_sample", "samples_per_s"))
    lines = [line for file in repository.folder.glob("results/raw/*.jsonl") for line in read(file)]
    assert all(isinstance(line, Measurement) for line in lines)
    assert sorted(line.cell for line in lines) == CELLS
    assert (repository.folder / ".asv/html/index.html").is_file()

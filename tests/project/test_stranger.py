"""A stranger's plugins for real: one from a distribution of its own, one from a single file."""

from __future__ import annotations

import json
import os
import shutil
import site
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from feedrate.contract import LOADER_PROMISES, title
from feedrate.records.measurement import Measurement
from feedrate.records.raw_results import read
from feedrate.system.machine import machine_name
from tests.support.asv_project import Project

PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "stranger"
version = "1.0"

[project.entry-points.feedrate]
stranger = "stranger_loader"

[tool.hatch.build.targets.wheel]
include = ["stranger_loader.py"]
"""

LOADER = """
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from feedrate import Loader, hookimpl, knob

if TYPE_CHECKING:
    from feedrate import Plan, Stream


@dataclass(frozen=True)
class {cls}(Loader):
    \"\"\"Read a block, then yield its batches.\"\"\"

    name = "{name}"
    patience: int = knob(1, 2, low=1, high=100)

    def stream(self, plan: Plan) -> Stream:
        with plan.open() as source:
            for block in plan.blocks():
                columns = source.read(block)
                for rows in block.batches():
                    yield columns.batch(rows)


@hookimpl
def loaders() -> Iterable[type[Loader]]:
    return ({cls},)
"""

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]


@dataclass(frozen=True)
class Home:
    """A virtual environment with the stranger's distribution, and a folder with the other's file."""

    python: Path
    folder: Path
    file: Path

    def feedrate(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.python), "-m", "feedrate", *arguments]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=200, check=False)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done

    def answer(self, *arguments: str) -> Any:
        return json.loads(self.feedrate(*arguments, "--json").stdout)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    pytest.importorskip("hatchling", reason="builds the stranger's distribution; `pip install hatchling` provides it")
    folder = tmp_path_factory.mktemp("stranger")
    file = folder / "loose_loader.py"
    file.write_text(LOADER.format(cls="Loose", name="loose"))
    return Home(_environment(folder / "venv", _distribution(folder / "source")), folder, file)


def _distribution(source: Path) -> Path:
    source.mkdir()
    (source / "pyproject.toml").write_text(PYPROJECT)
    (source / "stranger_loader.py").write_text(LOADER.format(cls="Stranger", name="stranger"))
    return source


def _environment(folder: Path, source: Path) -> Path:
    """A virtual environment over this interpreter's packages, with `source` built and installed; nothing is fetched."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    packages = next(path for path in site.getsitepackages() if path.startswith(sys.prefix))
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    # A line of code rather than a path: only so are that folder's own .pth files, an editable install's, followed.
    over = folder / "lib" / version / "site-packages" / "over.pth"
    over.write_text(f"import site; site.addsitedir({packages!r})\n")
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--quiet"]
    subprocess.run([python, "-m", "pip", "install", *offline, source], check=True, capture_output=True, timeout=120)
    return python


def test_both_are_listed_with_where_they_come_from(home: Home) -> None:
    listed = {one["name"]: one for one in home.answer("list", "--plugin", str(home.file))["loaders"]}
    assert listed["stranger"]["plugin"] == "stranger"
    assert listed["loose"]["plugin"] == str(home.file)
    assert listed["stranger"]["about"] == "Read a block, then yield its batches."
    assert listed["stranger"]["knobs"]["patience"] == [1, 2]


def test_both_keep_their_promises(home: Home) -> None:
    verdicts = home.answer("check", "stranger", "loose", "--plugin", str(home.file), "--workload", "fxseq")
    # Neither says that it swaps its source, or makes batches of its own.
    unasked = ("swaps its source", "cuts batches of its own")
    asked = [title(promise) for promise in LOADER_PROMISES if title(promise) not in unasked]
    assert [verdict["promise"] for verdict in verdicts] == 2 * asked
    assert [verdict for verdict in verdicts if verdict["broken"]] == []


def test_both_are_measured(home: Home) -> None:
    loaders = ("--loader", "stranger[patience=2]", "--loader", "loose")
    short = ("--step", "none", "--size", "tiny", "--device", "cpu", "--seconds", "0.05", "--data", "data")
    measured = home.answer("run", "fxseq", "--once", "--order", "named", *loaders, *short, "--plugin", str(home.file))
    assert [(one["kind"], one["cell"]) for one in measured] == [
        ("measurement", "fxseq/tiny/stranger[patience=2]/none/cpu"),
        ("measurement", "fxseq/tiny/loose/none/cpu"),
    ]


def test_the_distribution_joins_the_matrix(home: Home) -> None:
    matrix = home.folder / "matrix.json"
    home.feedrate("matrix", "--update", "--file", str(matrix))
    assert {"stranger", "inline"} <= set(json.loads(matrix.read_text())["loaders"])
    home.feedrate("matrix", "--file", str(matrix))


@pytest.mark.alone
def test_asv_measures_a_strangers_loader_at_each_commit(home: Home, tmp_path: Path) -> None:
    project = Project.make(tmp_path, home.python)
    tiny = {"FEEDRATE_SIZE": "tiny", "FEEDRATE_REPLICATES": "1"}
    commits = project.commit_of_feedrate(), project.commit_of_feedrate()
    printed = project.run("HEAD~1^!", "--bench", r"track_time_per_sample\('stranger', 'none'\)", **tiny)
    # The first commit through asv itself, the second through our command, here with an npm that has no network.
    npm = tmp_path / "bin/npm"
    npm.parent.mkdir()
    npm.symlink_to(str(shutil.which("false")))
    printed += project.feedrate("bench", "--size", "tiny", PATH=f"{npm.parent}{os.pathsep}{os.environ['PATH']}")
    measured = {one.environment["git"]["commit"]: one for file in raw(project) for one in read(file)}  # type: ignore[index]

    assert set(measured) == set(commits), printed
    for one in measured.values():
        assert (one.cell, one.environment["plugins"]["stranger"]) == ("fxseq/tiny/stranger/none/cpu", "1.0")  # type: ignore[index]
        assert isinstance(one, Measurement)
    for commit, machine in zip(commits, ("box-gpu", machine_name()), strict=True):
        assert project.results(commit, "tiny", machine)["time_per_sample"]["result"][0] > 0
    assert "history     .asv/html/index.html needs the network to be read; .asv/publish.log says why" in printed


def raw(project: Project) -> list[Path]:
    return sorted((project.folder / "results/raw").glob("*.jsonl"))

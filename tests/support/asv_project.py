"""A small project with a history, benchmarked by the real asv through our `asv.conf.json` and `benchmarks/feed.py`.

What it installs at each commit calls itself feedrate and answers `feedrate run` at once: `answers.json` says what.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from feedrate.asv.machine import write
from tests.support import ROOT

_PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "{name}"
version = "0"
[tool.hatch.build.targets.wheel]
packages = ["src/{package}"]
"""

_MAIN = """
import argparse, json, pathlib, subprocess, sys
parser = argparse.ArgumentParser()
parser.add_argument("command")
parser.add_argument("--quiet", action="store_true")
for name in ("cell", "replicate", "out", "deadline-s", "results", "logs"):
    parser.add_argument("--" + name)
asked = parser.parse_args()
workload, size, loader, step, device = asked.cell.split("/")
answers = json.loads(pathlib.Path(__file__).with_name("answers.json").read_text())
answer = answers.get(loader, {"failure": {"kind": "unavailable", "reason": "no loader " + loader}})
if answer == "leave a worker behind":
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(20)"])
    answer = 1.0
if answer == "wait":
    import os, pathlib, time
    draft = pathlib.Path(asked.results).parents[1] / "waits.draft"
    draft.write_text(str(os.getpid()))
    draft.rename(draft.with_suffix(""))
    time.sleep(1000)
if answer == "say nothing":
    sys.exit(3)
if isinstance(answer, float):
    seconds = answer * (1 + int(asked.replicate) / 100)
    keys = "time_per_sample_s", "loader_time_per_sample_s", "step_time_per_sample_s", "first_batch_s", "samples_per_s"
    answer = {"metrics": dict.fromkeys(keys, seconds) | {"host_peak_bytes": 1000, "device_peak_bytes": None}}
pathlib.Path(asked.out).write_text(json.dumps(answer))
commit = subprocess.run(["git", "rev-parse", "HEAD"], text=True, capture_output=True).stdout.strip()
pathlib.Path(asked.results).mkdir(parents=True, exist_ok=True)
with (pathlib.Path(asked.results) / (commit + ".jsonl")).open("a") as kept:
    kept.write(json.dumps(answer | vars(asked)) + "\\n")
"""

_SERVES = """
import json, subprocess, sys
if "--serve" in sys.argv:
    common = [word for word in sys.argv[1:] if word != "--serve"]
    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        cell = ["--cell", asked["cell"], "--replicate", str(asked["replicate"]), "--out", asked["out"]]
        print(subprocess.call([sys.executable, "-P", "-m", "feedrate", *common, *cell]), flush=True)
    sys.exit()
"""


@dataclass(frozen=True)
class Project:
    """A git repository with asv's configuration; `home` holds the machine file."""

    folder: Path
    home: Path
    python: Path
    longest_s: float = 100.0
    """That a command may take."""

    @classmethod
    def make(cls, folder: Path, python: Path = Path(sys.executable)) -> Project:
        """Set up a repository without commits, and asv's machine file; `python` is the interpreter that holds asv."""
        made = cls(folder / "project", folder / "home", python)
        made.home.mkdir(parents=True)
        made.write("asv.conf.json", (ROOT / "asv.conf.json").read_text())
        made.write("benchmarks/__init__.py", "")
        made.write("benchmarks/feed.py", (ROOT / "benchmarks/feed.py").read_text())
        made.write(".gitignore", ".asv\nresults\n__pycache__\n")
        made.git("init", "--quiet", "--initial-branch=main")
        write("box-gpu", made.home / ".asv-machine.json")
        return made

    def write(self, name: str, text: str) -> None:
        """Write a file of the working tree."""
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text)

    def commit(self, answers: dict[str, object], loaders: list[str], *, serves: bool = False) -> str:
        """Commit a feedrate that answers so, with these loaders in the matrix; give the commit's hash.

        `serves`: it knows `feedrate run --serve`, as those of long ago do not.
        """
        self.write("pyproject.toml", _PYPROJECT.format(name="feedrate", package="feedrate"))
        self.write("src/feedrate/__init__.py", "")
        self.write("src/feedrate/__main__.py", _SERVES * serves + _MAIN)
        self.write("src/feedrate/answers.json", json.dumps(answers))
        self.matrix(loaders)
        return self._committed()

    def commit_of_feedrate(self) -> str:
        """Commit the feedrate under test itself, with one loader of somebody else's in the matrix."""
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            self.write(name, (ROOT / name).read_text())
        shutil.copytree(ROOT / "src", self.folder / "src", dirs_exist_ok=True)
        matrix = {"workloads": {"fxseq": "1"}, "loaders": ["stranger"], "steps": ["none"]}
        self.write("benchmarks/matrix.json", json.dumps(matrix))
        return self._committed()

    def _committed(self) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "change")
        return self.git("rev-parse", "HEAD").strip()

    def matrix(self, loaders: list[str]) -> None:
        """Write the matrix of the working tree: one workload, these loaders, one step."""
        matrix = {"workloads": {"toy": "1"}, "loaders": loaders, "steps": ["fp32"]}
        self.write("benchmarks/matrix.json", json.dumps(matrix))

    def plugin(self, name: str, source: str) -> None:
        """Write a plugin of its own distribution."""
        self.write(f"plugins/{name}/pyproject.toml", _PYPROJECT.format(name=name, package=name))
        self.write(f"plugins/{name}/src/{name}/__init__.py", source)

    def git(self, *arguments: str) -> str:
        """Run git here and give what it prints."""
        return self._run(["git", "-c", "user.name=A", "-c", "user.email=a@example.org", *arguments], {})

    def asv(self, *arguments: str, **environ: str) -> str:
        """Run the real asv here and give what it prints; a benchmark that fails does not stop it."""
        return self._run([str(self.python), "-m", "asv", *arguments], environ)

    def feedrate(self, *arguments: str, **environ: str) -> str:
        """Run feedrate's own command line here and give what it prints."""
        return self._run([str(self.python), "-m", "feedrate", *arguments], environ)

    def run(self, revisions: str, *arguments: str, **environ: str) -> str:
        """Benchmark these commits."""
        return self.asv("run", revisions, "--machine", "box-gpu", "--show-stderr", *arguments, **environ)

    def results(self, commit: str, size: str, machine: str = "box-gpu") -> dict[str, dict[str, Any]]:
        """Give asv's results of a commit, by metric: each a mapping from column to its entry of the result file."""
        (file,) = (self.folder / "results" / machine).glob(f"{commit[:8]}-*SIZE{size}.json")
        found = json.loads(file.read_text())
        # asv drops what is null at the end of a row.
        rows = {name: zip(found["result_columns"], row, strict=False) for name, row in found["results"].items()}
        return {name.rpartition("track_")[2]: dict(row) for name, row in rows.items()}

    def _run(self, command: list[str], environ: dict[str, str]) -> str:
        settings = {
            "FEEDRATE_REPLICATES": "2",
            "FEEDRATE_DEVICE": "cpu",
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPATH": str(ROOT / "src"),
        }
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, **settings, "HOME": str(self.home), **environ},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=self.longest_s,
        )
        assert done.returncode in (0, 2), done.stdout
        return done.stdout

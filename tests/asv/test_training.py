"""asv measures a person's own training at each commit of their repository, as `feedrate init` sets it up."""

from __future__ import annotations

import json
import math
import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from feedrate.asv.machine import write
from feedrate.asv.metrics import METRICS
from feedrate.asv.training import TrainingBenchmark
from tests.support import ROOT
from tests.support.asv_project import Project

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

TRAINING = (ROOT / "tests/support/scripts/in_turns.py").read_text()
QUICK, SLOW = "time.sleep(1e-4)", "time.sleep(6e-4)"
"""Of an item, 64 of which are a batch."""


class Repository(Project):
    """A repository that knows nothing of feedrate but what `feedrate init` writes into it."""

    def commit_text(self, text: str) -> str:
        """Commit the training in that form."""
        self.write("train.py", text)
        return self._committed()

    def begin(self, *options: str) -> str:
        """Have `feedrate init` write, and give the command of asv that it prints."""
        told = self.feedrate("init", *options, "--", sys.executable, "train.py", "100000")
        (line,) = (line for line in told.splitlines() if line.startswith("  asv run"))
        return line.split("  time a sample")[0]

    def measure(self, *arguments: str) -> str:
        """Run asv with one sample a commit."""
        return self.asv(*arguments, FEEDRATE_REPLICATES="1")

    def values(self, commit: str, folder: str = ".") -> dict[str, Any]:
        """What asv keeps of a commit: a value for each metric, None where it failed, NaN where it is n/a."""
        (file,) = (self.folder / folder / ".asv/results").glob(f"*/{commit[:8]}-feedrate-training-py*.json")
        kept = json.loads(file.read_text())
        place = kept["result_columns"].index("result")
        return {name.rpartition("track_")[2]: (row[place] or [None])[0] for name, row in kept["results"].items()}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "mine", tmp_path / "home", Path(sys.executable), 240.0)
    made.folder.mkdir()
    made.home.mkdir()
    write("box", made.home / ".asv-machine.json")
    made.git("init", "--quiet", "--initial-branch=main")
    made.write(".gitignore", "data\n__pycache__\n")
    return made


def test_a_commit_whose_script_fails_is_a_failure_with_its_last_lines(repository: Repository) -> None:
    commit = repository.commit_text("print('begins', flush=True)\nraise OSError('no such \\x1b[31mdata')\n")
    repository.begin()
    told = repository.measure("run", "-e", "main", "--bench", "time_per_sample", "--bench", "host_peak")
    assert repository.values(commit) == dict.fromkeys(
        ("time_per_sample", "loader_time_per_sample", "step_time_per_sample", "host_peak")
    )
    # Its last lines once, why there is no number with each metric.
    assert (told.count("begins\n"), told.count(r"OSError: no such \x1b[31mdata")) == (1, 1)
    assert told.count(f"{sys.executable} train.py 100000: exception: the script failed by itself, with status 1") == 4
    # What was measured of the commit, once for all of its metrics.
    (raw,) = (repository.folder / ".asv/results/raw").glob("*.jsonl")
    (failure,) = map(json.loads, raw.read_text().splitlines())
    assert failure["environment"]["git"]["commit"] == commit


@pytest.mark.answer
def test_a_commit_that_made_loading_slower_is_seen_on_the_pages(repository: Repository) -> None:
    commits = [repository.commit_text(TRAINING)]
    repository.write("README", "A training.")
    commits.append(repository.commit_text(TRAINING))
    slow = TRAINING.replace(QUICK, SLOW)
    commits.append(repository.commit_text(slow))
    commits.append(repository.commit_text(slow.replace("set_num_threads", "set_number_of_threads")))
    commits.append(repository.commit_text(slow))
    repository.write("README", "A training, at rest.")
    commits.append(repository.commit_text(slow))
    command = repository.begin()
    assert command == "  asv run -e main~5..main"
    quick = (repository.folder / "benchmarks/training.py").read_text() + "    seconds = 0.1\n"
    repository.write("benchmarks/training.py", quick)
    told = repository.measure(*shlex.split(command)[1:])

    kept = {commit: repository.values(commit) for commit in commits[1:]}
    assert all(values.keys() == {metric.name for metric in METRICS} for values in kept.values()), told
    broken = kept.pop(commits[3])
    assert set(broken.values()) == {None}
    assert "AttributeError: module 'torch' has no attribute 'set_number_of_threads'" in told
    before, *after = (values["loader_time_per_sample"] for values in kept.values())
    # What sleeps takes at least so long, and five times of it more than twice as long as once.
    assert 1e-4 <= before < min(after) / 2
    assert min(after) >= 6e-4
    for values in kept.values():
        assert values["step_time_per_sample"] >= 0.01 / 64
        assert values["time_per_sample"] >= 0.01 / 64 + (1e-4 if values["loader_time_per_sample"] == before else 6e-4)
        assert 0 < values["batch_gap_p99"] <= values["longest_stall"]
        assert math.isnan(values["device_peak"])
        assert values["host_peak"] > 1e7
        assert values["first_batch"] > 0.0064
    shows(repository)


def shows(repository: Repository) -> None:
    """Publish, and look that each number has its graph, with the unit of the project's own benchmarks."""
    npm = repository.home / "bin/npm"
    npm.parent.mkdir()
    npm.symlink_to(str(shutil.which("false")))
    repository.asv("publish", PATH=f"{npm.parent}{os.pathsep}{os.environ['PATH']}")
    pages = repository.folder / ".asv/html"
    index = json.loads((pages / "index.json").read_text())
    shown = {name.rpartition("track_")[2]: entry["unit"] for name, entry in index["benchmarks"].items()}
    assert shown == {metric.name: metric.unit for metric in METRICS}
    (graph,) = (pages / "graphs").rglob("branch-HEAD/**/training.Training.track_loader_time_per_sample.json")
    before, *after = [value for _, value in json.loads(graph.read_text())]
    assert [value is None for value in after] == [False, True, False, False]
    assert all(value > 2 * before for value in after if value)


def test_a_second_folder_is_measured_with_its_own_configuration(repository: Repository) -> None:
    commit = repository.commit_text("raise SystemExit('not yet')")
    repository.write("asv.conf.json", "{}")
    command = repository.begin("--folder", "asv training")
    repository.measure(*shlex.split(command)[1:], "--bench", "host_peak")
    assert repository.values(commit, "asv training") == {"host_peak": None}
    (log,) = (repository.folder / "asv training/.asv/logs").rglob("*.log")
    assert "not yet" in log.read_text()


@pytest.mark.parametrize(
    ("command", "text"),
    [("", "feedrate: Training has no command"), ("python 'train.py", "is no command: No closing quotation")],
)
def test_a_class_without_a_command_is_one_line(command: str, text: str) -> None:
    with pytest.raises(SystemExit, match=text):
        type("Training", (TrainingBenchmark,), {"command": command})


@pytest.mark.parametrize(
    ("environment", "text"),
    [("feedrate-training", "pythn train.py in sub: 'pythn' is no program here"), ("existing", "without a commit")],
)
def test_what_cannot_be_measured_is_one_line(
    environment: str, text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASV_ENV_TYPE", environment)
    training = type("Training", (TrainingBenchmark,), {"command": "pythn train.py", "folder": "sub"})
    with pytest.raises(SystemExit, match=text):
        training().samples(METRICS[0])
    assert not list(tmp_path.iterdir())


def test_another_command_begins_another_history() -> None:
    class Training(TrainingBenchmark):
        command = "python train.py"

    class InFolder(Training):
        folder = "sub"

    class WithWorkers(Training):
        command = "python train.py --workers 2"

    class Set(Training):
        version = "2"

    versions = [cls.version for cls in (Training, InFolder, WithWorkers, Set)]
    assert versions == ["python train.py", "python train.py in sub", "python train.py --workers 2", "2"]

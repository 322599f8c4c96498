"""The examples work as they stand: their tests pass, they are measured, and asv finds what is to be tracked."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from feedrate.asv.config import unknown_keys
from feedrate.asv.matrix import Matrix
from feedrate.asv.metrics import METRICS
from feedrate.plugin.registry import Registry
from tests.support import ROOT
from tests.support.commands import feedrate

EXAMPLES = ROOT / "examples"
ASV = EXAMPLES / "asv_in_your_repo"
PLUGINS = ("next_block", "accumulate", "weighted_sum")


@pytest.mark.process
def test_the_examples_own_tests_pass(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--rootdir={EXAMPLES}", str(EXAMPLES)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout
    assert f"{len(PLUGINS)} passed" in done.stdout


@pytest.mark.process
def test_the_example_loader_is_checked_by_a_command(tmp_path: Path) -> None:
    done = feedrate(tmp_path, "check", "next_block", "--plugin", str(EXAMPLES / "next_block.py"))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.process
def test_examples_are_measured_together(tmp_path: Path) -> None:
    files = [word for name in PLUGINS for word in ("--plugin", str(EXAMPLES / f"{name}.py"))]
    quick = ("--size", "tiny", "--device", "cpu", "--seconds", "0.05", "--quiet", "--once", "--json")
    done = feedrate(tmp_path, "run", "weighted_sum", *files, "--loader", "next_block", "--step", "accumulate", *quick)
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = [line for file in (tmp_path / "results/raw").glob("*.jsonl") for line in file.read_text().splitlines()]
    assert json.loads(line)["cell"] == "weighted_sum/tiny/next_block/accumulate/cpu"


@pytest.mark.process
def test_the_example_of_a_training_is_raced_as_it_is(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    shutil.copy(EXAMPLES / "train_images.py", tmp_path)
    (tmp_path / "photos").mkdir()
    noise = np.random.default_rng(0)
    for number in range(320):
        photo = image.fromarray(noise.integers(0, 256, (140, 150, 3), np.uint8))
        photo.save(tmp_path / "photos" / f"{number}.jpeg", comment=str(number % 10).encode())
    race = ("run", "--seconds", "0.05", "--json", "-l", "dataloader", "-l", "threads[count=2]", "--quiet")
    done = feedrate(tmp_path, *race, "--", sys.executable, "train_images.py", "photos")
    assert done.returncode == 0, done.stderr
    cells = [outcome["cell"] for outcome in json.loads(done.stdout)]
    assert cells == [f"train_images.py/own/{loader}/own/cpu" for loader in ("dataloader", "threads[count=2]")]


def test_every_key_of_the_asv_example_is_one_that_asv_reads() -> None:
    pytest.importorskip("asv")
    assert unknown_keys(ASV / "asv.conf.json") == ()


@pytest.mark.process
def test_asv_finds_a_benchmark_for_each_metric_of_the_example(tmp_path: Path) -> None:
    pytest.importorskip("asv")
    out = tmp_path / "benchmarks.json"
    command = [sys.executable, "-m", "asv.benchmark", "discover", str(ASV / "benchmarks"), str(out)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    benchmarks = {benchmark["name"]: benchmark for benchmark in json.loads(out.read_text())}
    assert set(benchmarks) == {f"feed.boardmoves.track_{metric.name}" for metric in METRICS}
    assert benchmarks["feed.boardmoves.track_time_per_sample"]["params"] == [
        ["'your_loader'", "'inline'"],
        ["'none'", "'fp32'"],
    ]


def test_the_asv_example_measures_only_what_there_is() -> None:
    registry = Registry.load([ASV / "src/your_loader.py"])
    names = Matrix.load(ASV / "benchmarks/matrix.json").names
    assert {*names.loaders} <= {*registry.loaders}
    assert {*names.steps} <= {*registry.steps}
    assert {*names.workloads} <= {*registry.workloads}


def test_the_asv_example_builds_into_a_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = pytest.importorskip("hatchling.build")
    shutil.copytree(ASV, tmp_path / "repo")
    monkeypatch.chdir(tmp_path / "repo")
    with zipfile.ZipFile(tmp_path / build.build_wheel(str(tmp_path))) as wheel:
        assert wheel.read("your_loader.py") == (ASV / "src/your_loader.py").read_bytes()
        (points,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
        assert b"[feedrate]\nyour_loader = your_loader" in wheel.read(points)

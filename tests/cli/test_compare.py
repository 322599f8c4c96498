"""`feedrate compare` as a user meets it: real processes, real commits, delays that no noise outweighs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from feedrate.cli import main
from feedrate.records.measurement import Measurement
from feedrate.records.raw_results import read
from feedrate.runner.forkserver import FORK_SERVER
from tests.support import PLUGINS, ROOT

QUICK = ("--size", "tiny", "--device", "cpu", "--seconds", "0.05", "--metric", "loader")
OFFERED = ("--plugin", str(PLUGINS / "offered.py"))
REREAD = "sums/reread/none"

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]


def compare(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "feedrate", "compare", *arguments, *QUICK]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=280, check=False)


def verdicts(folder: Path) -> list[dict[str, Any]]:
    """What was written beside the raw results."""
    (file,) = (folder / "results/raw").glob("*.json")
    found: list[dict[str, Any]] = json.loads(file.read_text())
    return found


@pytest.mark.answer
def test_a_variable_of_the_environment_is_a_side(tmp_path: Path) -> None:
    done = compare(tmp_path, "sums/told/none@REREADS=20", "sums/told/none", "--plugin", str(PLUGINS / "told.py"))

    assert done.returncode == 0, done.stderr
    assert "told/none/cpu@REREADS=20 is SLOWER than" in done.stdout.splitlines()[0]
    (found,) = verdicts(tmp_path)
    assert (found["a"]["code"], found["b"]["code"]) == ("REREADS=20", "")
    # What every read costs besides decoding is the same.
    assert found["speedup"] < 0.5


@pytest.mark.answer
def test_the_slower_of_two_plugin_files_is_named_and_every_process_is_kept(tmp_path: Path) -> None:
    done = compare(tmp_path, f"{REREAD}@{PLUGINS / 'reread_often.py'}", f"@{PLUGINS / 'reread.py'}")

    assert done.returncode == 0, done.stderr
    first = done.stdout.splitlines()[0]
    assert "reread_often.py is SLOWER than @" in first
    assert "pairs; smallest effect it could see" in first
    (found,) = verdicts(tmp_path)
    assert found["verdict"] == "SLOWER"
    assert found["speedup"] < found["speedup_high"] < 1
    processes = len(found["processes"])
    assert processes >= 10, "four pairs are the least"
    assert [one["role"] for one in found["processes"]] == ["control", "a", "b", "b", "a"] * (processes // 5)
    (raw,) = (tmp_path / "results/raw").glob("*.jsonl")
    outcomes = list(read(raw))
    assert [type(one) for one in outcomes] == [Measurement] * processes
    # The two of a pair measure by turns, and either may be the first to end.
    assert sorted(one.replicate for one in outcomes) == list(range(processes))
    alone = [one for one in outcomes if isinstance(one, Measurement) and "by_turns" not in one.requested]
    assert [one.replicate % 5 for one in alone] == [0] * (processes // 5)
    assert outcomes[0].cell == "sums/tiny/resident/fp32/cpu"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _project(tmp_path_factory.mktemp("two") / "project")


@pytest.mark.answer
def test_what_moved_since_a_commit_is_named(project: Path) -> None:
    # What runs is this feedrate; at HEAD every column is decoded 30 times.
    words = ("why", "fxseq", "inline", "none", "--since", "HEAD", "--replicates", "3", "--results", "since", "--json")
    quick = ("--size", "tiny", "--device", "cpu", "--seconds", "0.05", "--pairs", "16")
    command = [sys.executable, "-m", "feedrate", *words, *quick]
    # With fork servers of its own, as outside of these tests, which must be gone with it.
    environ = {**os.environ, FORK_SERVER: ""}
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=280, check=False, env=environ)

    assert done.returncode == 0, done.stderr
    assert not _running_from(project)
    found = json.loads(done.stdout)
    assert (found["kind"], found["side"]) == ("faster", "loader"), found["sentence"]
    assert found["sentence"].startswith("FASTER: the loader alone takes x0.")
    assert "it is decoding" in found["sentence"]
    assert "a batch less" in found["sentence"]
    assert set(found["comparisons"]) == {"full", "loader"}, "nobody asks of a step that trains nothing"


def test_a_commit_that_what_changed_is_asked_of_is_no_file(project: Path) -> None:
    command = [sys.executable, "-m", "feedrate", "why", "fxseq", "inline", "none", "--since", "x.py", "--size", "tiny"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "feedrate: --since x.py: that is a file; `feedrate compare` takes plugin files"
    )


@pytest.mark.answer
def test_two_commits_are_each_measured_with_their_own_code(project: Path) -> None:
    done = compare(project, "fxseq/inline/none@HEAD", "@HEAD~1", "--json")

    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    assert found["verdict"] == "SLOWER", found["sentence"]
    assert found["sentence"].startswith("@HEAD is SLOWER than @HEAD~1: x0.")
    (raw,) = (project / "results/raw").glob("*.jsonl")
    commits = {
        (one.replicate % 5 in (1, 4), one.environment["git"]["commit"])  # type: ignore[index]
        for one in read(raw)
        if one.replicate % 5
    }
    assert not _running_from(project)
    assert commits == {(True, _git(project, "rev-parse", "HEAD")), (False, _git(project, "rev-parse", "HEAD~1"))}


def _project(folder: Path) -> Path:
    """A checkout of feedrate with two commits: in the second every column of an HDF5 file is decoded 30 times."""
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    (folder / ".gitignore").write_text("/.asv\n/results\n/data\n/logs\n")
    _git(folder, "init", "--quiet", "--initial-branch=main")
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", "--message", "first")
    reader = folder / "src/feedrate/data/formats/hdf5.py"
    once = "_tensor(part, file, field) for field"
    assert reader.read_text().count(once) == 1
    often = "[_tensor(part, file, field) for _ in range(30)][0] for field"
    reader.write_text(reader.read_text().replace(once, often))
    _git(folder, "commit", "--quiet", "--all", "--message", "decode often")
    return folder


def _git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=60).stdout.strip()


def _raw_lines(folder: Path) -> list[str]:
    with suppress(FileNotFoundError):
        return [line for file in folder.glob("results/raw/*.jsonl") for line in file.read_text().splitlines()]
    return []


def test_a_side_that_fails_is_invalid_with_its_reason(tmp_path: Path) -> None:
    done = compare(tmp_path, "sums/plain/train", "sums/broken/train", *OFFERED)

    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("INVALID: plain against broken gives no verdict: sums/tiny/broken/train/cpu failed")
    assert "ValueError: no good for cpu" in done.stdout.splitlines()[0]


def test_an_interrupted_comparison_says_what_it_knows_and_leaves_no_process(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "feedrate", "compare", "sums/plain/train", "sums/stuck/train", *OFFERED, *QUICK]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        # A folder that is tried before anything is measured goes again: a glob may meet it half-way.
        # The control is written down, and both of the pair have a log.
        while not _raw_lines(tmp_path) or len(list(tmp_path.glob("logs/*/*.log"))) < 2:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        told, complaints = process.communicate(timeout=60)

    assert process.returncode == 130
    assert told.startswith("UNSURE whether plain is faster or slower than stuck: no interval yet from 0 pairs")
    assert "interrupted; this is the verdict so far" in complaints
    assert len(verdicts(tmp_path)[0]["processes"]) == 1
    assert not [link for link in Path("/proc").glob("[0-9]*/cwd") if _leads_to(link, tmp_path)]


def _running_from(project: Path) -> list[str]:
    """Command lines of the processes that run with an environment of its commits."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found.append(file.read_text(errors="replace"))
    return [line for line in found if str(project) in line]


def _leads_to(link: Path, folder: Path) -> bool:
    try:
        return link.readlink() == folder
    except OSError:
        return False


@pytest.mark.parametrize(
    ("arguments", "way_out"),
    [
        (("sums/plain/train",), "the following arguments are required: B"),
        (("sums/plain", "sums/plain/train"), "a cell reads workload/loader/step"),
        (("sums/plan/train", "sums/plain/train"), "did you mean plain"),
        (("sums/plain/train", "sums/plain/trian"), "did you mean train"),
        (("sums/plain/train", "sums/needy/train"), "`pip install nope` provides it"),
        (("sums/plain/train@", "sums/plain/train"), "names neither a commit nor a plugin file"),
        (("sums/plain/train@main", "@HEAD"), "is no git checkout of feedrate"),
        (("sums/plain/train@other.py", "@HEAD"), "--plugin other.py: no such file"),
        (("sums/plain/train", "sums/tiny/plain/train/gpu"), "no device 'gpu'"),
        (("sums/plain/train", "@OMP_NUM_THREADS=1"), "is set for every process that is measured: by --threads"),
        (("sums/plain/train", "@FEEDRATE_DATA=here"), "is feedrate's own: give its option to both sides"),
        (("sums/plain/train", "@1st=2"), "no commit"),
        (("daywindows[batch_size=4]/inline/none", "daywindows/inline/none"), "batch_size needs batch=fixed"),
        (("daywindows/inline/none", "daywindows[graph=cached,batch=fixed]/inline/none"), "use batch=day"),
        (("python train.py", "python train.py@ONE=1"), "a command takes a variable in front of it: 'env ONE=1 python"),
        (("python train.py", "@ONE=1"), "a command takes a variable in front of it: 'env ONE=1 python train.py'"),
        (("sums/plain/train", "sums/tiny/plain/train/2xcpu"), "2xcpu is several ranks, which `feedrate run --ranks 2"),
        (("sums/plain/train", "sums/inline/train", "--pairs", "3"), "4 are the least that say anything"),
        (("sums/plain/train", "sums/inline/train", "--budget", "soon"), "such as 90s or 10m"),
        (("sums/plain/train", "sums/inline/train", "--metric", "speed"), "choose from"),
    ],
)
def test_a_mistake_is_one_line_with_the_way_out(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    way_out: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    status = main(["compare", *arguments, *OFFERED, "--size", "tiny", "--device", "cpu"])

    told = capsys.readouterr()
    assert (status, told.out) == (2, "")
    assert told.err.count("\n") == 1, told.err
    assert way_out in told.err
    assert os.listdir(tmp_path) == []


def test_a_commit_that_is_not_there_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    _git(tmp_path, "init", "--quiet")
    monkeypatch.chdir(tmp_path)
    status = main(["compare", "fxseq/inline/none@nowhere", "@HEAD"])

    assert (status, capsys.readouterr().err.count("\n")) == (2, 1)

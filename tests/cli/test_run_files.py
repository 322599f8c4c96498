"""`feedrate run --files`: a user's own files are raced where they lie, and nothing of them changes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from feedrate import DataError, Failure, Measurement, Session, UsageError
from feedrate.api.settings import SessionOptions
from tests.support.commands import feedrate
from tests.support.own_files import arrays, hdf5, parquet, state, table

pytestmark = pytest.mark.process
QUICK = ("--device", "cpu", "--seconds", "0.05", "--once", "--quiet")


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    for number in range(2):
        parquet(folder / f"{number}.parquet", table(number))
    return folder


def test_the_table_of_a_users_files_and_the_files_as_they_were(mine: Path) -> None:
    before = state(mine)
    loaders = ("inline", "threads", "ring_workers[count=1]", "gpu_chunk")
    named = [word for loader in loaders for word in ("--loader", loader)]

    done = feedrate(mine.parent, "run", "--files", "mine/*.parquet", "--batch-size", "64", *named, *QUICK)

    assert done.returncode == 0, done.stdout + done.stderr
    assert state(mine) == before
    assert done.stderr == (
        f"feedrate: {mine}: not read: 'word' (string), 'kind' (a dictionary), 'some' (lists of any length),"
        " 'hole' (1 null); --columns names those to read\n"
    )
    lines = done.stdout.splitlines()
    assert lines[0].startswith("files-mine-")
    assert lines[0].endswith("[batch=64], own, cpu")
    assert {line.split()[1] for line in lines if line.startswith("none  ")} == set(loaders)
    assert "n/a" not in done.stdout
    assert "failed" not in done.stdout
    shown = feedrate(mine.parent, "show")
    assert shown.stdout.splitlines()[:7] == lines[:7]
    assert sorted(path.name for path in mine.parent.iterdir()) == ["logs", "mine", "results"]


def test_columns_of_hdf5_and_outcomes_as_json(tmp_path: Path) -> None:
    path = hdf5(tmp_path / "frames.h5", arrays())
    asked = ("run", "-f", str(path), "--columns", "cube,label", "-l", "inline", "--json", *QUICK)
    done = feedrate(tmp_path, *asked)

    assert (done.returncode, done.stderr) == (0, "")
    (outcome,) = json.loads(done.stdout)
    assert outcome["cell"].startswith("files-frames-")
    assert outcome["cell"].endswith("/own/inline/none/cpu")
    assert outcome["batch_bytes"] == 230 * (8 + 8 + 4 * 12)
    assert outcome["checked_batches"] > 0
    assert outcome["requested"]["workload.files"] == f"{tmp_path}: frames.h5, 230 rows, 2 columns"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--files", "nothing*"), "--files nothing*: there is no such file; name files, or a pattern"),
        (("--files", "nothing", "--files", "mine/0.parquet"), "--files nothing: there is no such file"),
        (("--files", "mine/0.parquet", "--columns", ","), "argument --columns: names no column: ','"),
        (("--files", "mine"), "--files mine: is a folder; name its files, such as 'mine/*.parquet'"),
        (("--files", "mine/0.parquet", "--columns", "word"), "column 'word' cannot be a tensor: string; leave it away"),
        (("--files", "mine/0.parquet", "--step", "fp32"), "has no model for the step fp32 to train; leave --step away"),
        (("--files", "mine/0.parquet", "--size", "tiny"), "leave --size away, and name fewer files for less"),
        (("--files", "mine/0.parquet", "-w", "fxseq"), "--files is a workload of its own; leave 'fxseq' away"),
        (("fxseq", "--columns", "price"), "--columns goes with --files, which names files of your own"),
        (("fxseq", "--batch-size", "8"), "--batch-size goes with --files, which names files of your own"),
    ],
)
def test_what_cannot_be_is_one_line(mine: Path, arguments: tuple[str, ...], why: str) -> None:
    before = state(mine)
    done = feedrate(mine.parent, "run", *arguments, *QUICK)

    assert (done.returncode, done.stdout) == (2, "")
    assert why in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert state(mine) == before
    assert [path.name for path in mine.parent.iterdir()] == ["mine"]


def test_a_session_races_files_until_they_change(mine: Path) -> None:
    folder = mine.parent
    options = SessionOptions(data=folder / "data", results=folder / "results", logs=folder / "logs", quiet=True)
    options |= SessionOptions(files=[mine / "*.parquet"], columns=["price"], seconds=0.05)
    with Session(**options) as session:
        own = session.own_files
        assert own is not None
        (outcome,) = session.measure_all(workloads=[own], loaders=["inline"], device="cpu")
        assert isinstance(outcome, Measurement), outcome
        assert outcome.samples_per_s > 0

        with pytest.raises(UsageError, match="no workload 'files-of-nobody'"):
            session.measure("files-of-nobody/own/inline/none/cpu")
        parquet(mine / "0.parquet", table(7).slice(50))
        with pytest.raises(DataError, match=r"0.parquet: was changed meanwhile; run again"):
            session.measure(outcome.cell)
        # Where the parent has looked a moment before, the fresh process sees it.
        late = session.resources.run.measure(outcome.cell, 1)
        assert isinstance(late, Failure)
        assert f"the files were changed since they became {own.name}" in late.reason


@pytest.mark.alone
@pytest.mark.timeout(240)
def test_why_takes_the_reading_of_files_apart(mine: Path) -> None:
    before = state(mine)
    asked = ("why", "inline", "--batch-size", "64", "--files", "mine/*.parquet", "--columns", "price,wide")
    done = feedrate(mine.parent, *asked, "--json", "-r", "1", "--device", "cpu", "--seconds", "0.1", "--quiet")

    assert done.returncode == 0, done.stdout + done.stderr
    (diagnosis,) = json.loads(done.stdout)
    assert diagnosis["cell"].startswith("files-mine-")
    assert diagnosis["cell"].endswith("[batch=64]/own/inline/none/cpu")
    assert diagnosis["verdict"]["family"] == "loader", diagnosis["verdict"]["sentence"]
    assert list(diagnosis["evidence"]["parts"]) == ["copy", "hand-over", "decode", "read warm"]
    assert state(mine) == before
    assert sorted(path.name for path in mine.parent.iterdir()) == ["logs", "mine", "results"]


@pytest.mark.alone
@pytest.mark.timeout(240)
def test_compare_races_two_loaders_over_files(mine: Path) -> None:
    before = state(mine)
    slower, faster = "inline", "ring_workers[count=1]"
    asked = ("compare", slower, faster, "--files", "mine/*.parquet", "--columns", "price,wide", "--json")
    done = feedrate(mine.parent, *asked, "--pairs", "4", "--device", "cpu", "--seconds", "0.05", "--quiet")

    assert done.returncode in (0, 1), done.stdout + done.stderr
    (result,) = json.loads(done.stdout)
    cells = [result["a"]["cell"], result["b"]["cell"], result["control"]]
    assert [cell.split("/", 1)[1] for cell in cells] == [
        f"own/{loader}/none/cpu" for loader in (slower, faster, slower)
    ]
    assert result["pairs"] + result["doubtful_pairs"] == 4
    # Of a step that trains nothing: the loader's time is what shows the machine's pace.
    assert all(-16 < log_s < -9 for log_s in result["control_log_s"]), result["control_log_s"]
    assert result["speedup"] is None or result["speedup"] < 1, result["sentence"]
    assert state(mine) == before
    assert sorted(path.name for path in mine.parent.iterdir()) == ["logs", "mine", "results"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("why", "--files", "mine/0.parquet"), "beside --files name the loaders to explain"),
        (("why", "nobody", "--files", "mine/0.parquet"), "no loader 'nobody'"),
        (("why", "inline", "--size", "tiny", "--files", "mine/0.parquet"), "leave --size away"),
        (("why", "fxseq", "inline", "none", "--batch-size", "8"), "--batch-size goes with --files"),
        (("why", "--files", "mine/0.parquet", "--", "python", "train.py"), "there is no cell, --cold or --files"),
        (("compare", "inline", "nobody", "--files", "mine/0.parquet"), "no loader 'nobody'"),
        (("compare", "inline", "threads", "--columns", "price"), "--columns goes with --files"),
        (("compare", "inline", "threads", "--files", "nothing*"), "there is no such file"),
    ],
)
def test_what_cannot_be_taken_apart_or_compared_is_one_line(mine: Path, arguments: tuple[str, ...], why: str) -> None:
    done = feedrate(mine.parent, *arguments)

    assert (done.returncode, done.stdout) == (2, "")
    *remarks, error = done.stderr.splitlines()
    assert why in error
    assert all(": not read: " in line for line in remarks), remarks
    assert [path.name for path in mine.parent.iterdir()] == ["mine"]


def test_a_cell_of_files_is_the_same_one_from_another_folder(mine: Path, tmp_path: Path) -> None:
    """As the code of a commit measures it, which is started in its own checkout."""
    with Session(files=[mine / "*.parquet"], columns=["price"], quiet=True) as session:
        own = session.own_files
        assert own is not None
        cell = str(session.cell(workload=own, loader="inline", step="none", device="cpu"))
    elsewhere, out = tmp_path / "elsewhere", tmp_path / "one.json"
    elsewhere.mkdir()
    asked = ("run", "--cell", cell, "--out", str(out), "--seconds", "0.05", "--quiet")
    done = feedrate(elsewhere, *asked, "--files", str(mine / "*.parquet"), "--columns", "price")

    assert done.returncode == 0, done.stdout + done.stderr
    outcome = json.loads(out.read_text())
    assert outcome["cell"] == cell
    assert outcome["checked_batches"] > 0

"""`--dry-run` says what would be measured and where each value comes from, and leaves nothing behind."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from feedrate import Session, UsageError
from feedrate.cli import main
from tests.support import PLUGINS
from tests.support.commands import refused

PLUGIN = PLUGINS / "offered.py"
SUMS = ("run", "sums", "--plugin", str(PLUGIN), "--size", "tiny", "--device", "cpu", "--dry-run")


def told(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str], **variables: str) -> Any:
    """What `--json` prints."""
    assert main([*arguments, "--json"], {**os.environ, **variables}) == 0
    return json.loads(capsys.readouterr().out)


def by_name(settings: list[Mapping[str, object]]) -> dict[str, tuple[object, object, object]]:
    """(requested, resolved, origin) by name."""
    return {str(each["name"]): (each["requested"], each["resolved"], each["origin"]) for each in settings}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_ranks_and_what_each_of_them_has_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    run = told((*SUMS, "--loader", "plain", "--step", "train", "--device", "cpu", "--ranks", "2"), capsys)

    shared, cores = by_name(run["settings"]), len(os.sched_getaffinity(0))
    assert shared["ranks"] == ("1, 2", "1, 2", "command line")
    assert shared["threads"][1] == (f"{cores}, {cores // 2}" if cores > 1 else 1)
    assert [cell["cell"].rpartition("/")[2] for cell in run["cells"]] == ["cpu", "2xcpu"]


def test_each_value_says_where_it_comes_from(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("--loader", "plain[depth=2,pin=false]", "--step", "train", "--threads", "1", "--replicates", "1")
    run = told((*SUMS, *asked), capsys, FEEDRATE_DATA="elsewhere", OMP_NUM_THREADS="7")

    shared, (cell,) = by_name(run["settings"]), run["cells"]
    assert shared["threads"] == (1, 1, "command line")
    assert shared["replicates"] == (1, 1, "command line")
    assert shared["seconds"] == (None, 0.4, "default")
    assert shared["data"] == ("elsewhere", str(Path("elsewhere").resolve()), "FEEDRATE_DATA")
    assert shared["OMP_NUM_THREADS"] == ("7", "1", "environment")
    assert shared["plugin"] == (str(PLUGIN), str(PLUGIN), "command line")
    knobs = by_name(cell["settings"])
    assert cell["cell"] == "sums/tiny/plain[pin=false]/train/cpu"
    # The default, and asked for all the same.
    assert knobs["loader.depth"] == ("2", "2", "command line")
    assert knobs["loader.pin"] == ("false", "false", "command line")
    assert knobs["loader.cast"] == (None, "device", "default")
    assert knobs["step.cudnn_benchmark"] == (None, "false", "default")
    assert cell["data_set"] == str(Path("elsewhere").resolve() / "sums-tiny")
    assert "sums-tiny" in cell["missing"]


def test_workers_and_batches_that_nobody_named_are_settled(capsys: pytest.CaptureFixture[str]) -> None:
    names = ("run", "fxseq", "--loader", "workers", "--step", "none", "--size", "tiny", "--device", "cpu", "--dry-run")

    (cell,) = told(names, capsys)["cells"]
    safe = told((*names, "--safe"), capsys)
    forced = told(names, capsys, FORCE_SINGLE_PROCESS="1")

    knobs = by_name(cell["settings"])
    count, batch = knobs["loader.count"], knobs["workload.batch_size"]
    assert (count[0], count[2], batch[0], batch[2]) == (None, "default", None, "default")
    assert int(str(count[1])) >= 1
    assert int(str(batch[1])) > 1
    assert by_name(safe["cells"][0]["settings"])["loader.count"][1] == "0"
    assert by_name(safe["settings"])["safe"] == (True, True, "command line")
    assert by_name(forced["cells"][0]["settings"])["loader.count"][1:] == ("0", "FORCE_SINGLE_PROCESS")
    # Another cell than the one with workers, so that nobody takes the one for the other.
    assert {run["cells"][0]["cell"] for run in (safe, forced)} == {"fxseq/tiny/workers[count=0]/none/cpu"}
    assert by_name(forced["settings"])["safe"] == (True, True, "FORCE_SINGLE_PROCESS")


def test_a_pool_is_capped_by_itself_and_a_mistake_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    asked = (*SUMS, "--loader", "plain", "--step", "train", "--threads", "2")
    run = told((*asked, "--pool", "POLARS=4", "--pool", "OMP=1"), capsys, POLARS_MAX_THREADS="9", MKL_NUM_THREADS="9")

    shared = by_name(run["settings"])
    assert shared["pool"] == ("POLARS=4, OMP=1", "POLARS=4, OMP=1", "command line")
    assert (shared["POLARS_MAX_THREADS"][1], shared["MKL_NUM_THREADS"][1]) == ("4", "1")
    assert "no pool 'POLAR'; did you mean POLARS?" in refused([*asked, "--pool", "POLAR=4"], capsys)
    assert "'OMP=none' is not of the form NAME=N" in refused([*asked, "--pool", "OMP=none"], capsys)
    with pytest.raises(UsageError, match="no pool 'POLAR'"):
        Session(pools={"POLAR": 4})
    with pytest.raises(UsageError, match="OMP=0 is no positive number"):
        Session(pools={"OMP": 0})


def test_a_sweep_is_where_its_values_come_from(capsys: pytest.CaptureFixture[str]) -> None:
    run = told((*SUMS, "--loader", "plain[cast=host]", "--step", "train", "--sweep"), capsys)

    origins = {
        cell["cell"].split("/")[2]: {name: value[2] for name, value in by_name(cell["settings"]).items()}
        for cell in run["cells"]
    }
    assert origins["plain[cast=host]"]["loader.cast"] == "command line"
    assert origins["plain[cast=host,depth=4]"]["loader.depth"] == "sweep"
    assert origins["plain[depth=4]"]["loader.cast"] == "default"


def test_nothing_is_measured_or_made(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main([*SUMS, "--loader", "plain", "--loader", "needy", "--step", "train", "--explain"])

    printed = capsys.readouterr().out
    assert status == 0
    assert list(folder.iterdir()) == []
    assert "1 of 2 cells would be measured" in printed
    assert "n/a: needs the package 'nope'" in printed
    assert "data set    would be made: " in printed
    assert "where a value comes from" in printed
    assert printed.endswith("nothing was measured or made\n")


def test_why_tells_the_settings_of_its_cell(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("why", "sums/tiny/plain[depth=4]/train/cpu", "--plugin", str(PLUGIN), "--dry-run")

    run = told(asked, capsys)

    assert by_name(run["settings"])["replicates"] == (None, "3 to 6", "default")
    assert by_name(run["cells"][0]["settings"])["loader.depth"] == ("4", "4", "command line")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("run", "--cell", "sums/tiny/plain/train/cpu", "--dry-run"), "not of --cell, --serve or `-- COMMAND`"),
        (("run", "--dry-run", "--", "python", "train.py"), "not of --cell, --serve or `-- COMMAND`"),
        (("why", "--dry-run", "--", "python", "train.py"), "not of --since or `-- COMMAND`"),
        (("run", "sums", "--dry-run", "--loader", "plan", "--plugin", str(PLUGIN)), "did you mean plain"),
    ],
)
def test_what_cannot_be_told_is_refused(
    arguments: tuple[str, ...], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert why in refused(arguments, capsys)

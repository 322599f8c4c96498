"""The command line as a user meets it: real processes, plain pipes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from feedrate.cli import COMMANDS, main
from tests.support import PLUGINS
from tests.support.commands import feedrate, interrupted

PLUGIN = PLUGINS / "offered.py"
QUICK = ("--plugin", str(PLUGIN), "--size", "tiny", "--device", "cpu", "--seconds", "0.05")


@pytest.mark.process
def test_list_names_what_is_there_what_is_missing_and_how_to_get_it(tmp_path: Path) -> None:
    done = feedrate(tmp_path, "list", "--plugin", str(PLUGIN))

    assert done.returncode == 0
    assert re.search(r"^plain +ready", done.stdout, re.MULTILINE)
    assert "Do nothing special. depth=2|4" in done.stdout
    on_request = set(re.findall(r"^(\w+) +on request", done.stdout, re.MULTILINE))
    assert on_request - {"images"} == {"tokens", "accumulated", "checkpointed", "graphed", "evaluation", "mapped"}
    assert "`feedrate list --all` shows them" in done.stdout
    assert "needs the package 'nope': `pip install nope` provides it" in done.stdout
    assert "This is not in the list" not in done.stdout


@pytest.mark.process
def test_list_names_what_is_hidden_when_all_is_asked_for(tmp_path: Path) -> None:
    done = feedrate(tmp_path, "list", "--all", "--plugin", str(PLUGIN))

    assert re.search(r"^stuck +on request", done.stdout, re.MULTILINE)
    assert re.search(r"^paced +on request +calibration", done.stdout, re.MULTILINE)


@pytest.mark.process
def test_list_is_plain_text_when_it_is_piped(tmp_path: Path) -> None:
    done = feedrate(tmp_path, "list", "--plugin", str(PLUGIN))

    assert done.stdout.isascii()
    assert "\x1b" not in done.stdout
    assert not any(line.endswith(" ") for line in done.stdout.splitlines())


@pytest.mark.process
def test_list_for_machines_is_one_json_object(tmp_path: Path) -> None:
    found = json.loads(feedrate(tmp_path, "list", "--plugin", str(PLUGIN), "--json").stdout)

    needy = next(one for one in found["loaders"] if one["name"] == "needy")
    assert needy["missing"] == [{"what": "the package 'nope'", "hint": "`pip install nope` provides it"}]
    assert needy["knobs"]["cast"] == ["device", "host"]
    assert next(one for one in found["loaders"] if one["name"] == "threads")["ranges"]["depth"] == [1, 1024]
    assert "sums" in [one["name"] for one in found["workloads"]]


@pytest.mark.process
@pytest.mark.parametrize(
    "arguments", [("list",), ("--help",), ("run", "--help"), ("compare", "--help"), ("data", "list"), ("doctor",)]
)
def test_what_measures_nothing_imports_neither_torch_nor_pandas(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "feedrate", *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "rich.console" in imported
    assert not imported & {"torch", "pandas", "pyarrow", "polars", "h5py", "scipy", "rich.progress"}


@pytest.mark.process
def test_a_plugin_file_that_cannot_be_imported_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("import nowhere_to_be_found\n")

    done = feedrate(tmp_path, "list", "--plugin", "bad.py")

    assert done.returncode == 2
    assert done.stderr == "feedrate: --plugin bad.py: ModuleNotFoundError: No module named 'nowhere_to_be_found'\n"


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (("lst",), "did you mean list"),
        (("run", "--lodaer", "plain"), "did you mean --loader"),
        (("run", "sms"), "did you mean sums"),
        (("run", "sums", "--loader", "plan"), "did you mean plain"),
        (("run", "sums", "--loader", "plain[dpeth=2]"), "did you mean depth"),
        (("run", "sums", "--step", "trian"), "did you mean train"),
        (("run", "sums", "--size", "tinny"), "did you mean tiny"),
        (("run", "sums", "--device", "cdua"), "did you mean cuda"),
        (("check", "plian"), "did you mean plain"),
        (("check", "sums", "--size", "tiny"), "`--train N` trains"),
        (("check", "plain", "--train", "5"), "needs a workload that has a model, or a step that trains"),
        (("data", "mke"), "did you mean make"),
        (("data", "make", "sms"), "did you mean sums"),
        (("run", "--replicates", "none"), "see `feedrate run --help`"),
        (("run", "--cell", "sums/tiny/plain"), "workload/size/loader/step/device"),
        (("show", "nothing.jsonl"), "no such file"),
        (("show",), "`feedrate run` writes them"),
        (("matrix",), "`feedrate matrix --update` starts one"),
        (("data", "remove"), "name the data sets"),
    ],
)
def test_a_mistake_is_one_line_with_the_way_out(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    near: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    takes_plugins = arguments[0] in ("run", "check", "data")

    status = main([*arguments, *(("--plugin", str(PLUGIN)) if takes_plugins else ())])

    told = capsys.readouterr()
    assert (status, told.out) == (2, "")
    assert told.err.startswith("feedrate: ")
    assert told.err.count("\n") == 1
    assert near in told.err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])

    assert ended.value.code == 0
    assert f"usage: feedrate {command}" in capsys.readouterr().out


@pytest.mark.process
def test_run_measures_names_what_failed_and_keeps_the_raw_results(tmp_path: Path) -> None:
    chosen = ("--loader", "plain", "--loader", "broken", "--loader", "needy", "--step", "train")
    done = feedrate(tmp_path, "run", "sums", "--once", "--order", "named", *chosen, *QUICK)

    assert done.returncode == 1, done.stderr
    lines = {line.split()[1]: line for line in done.stdout.splitlines() if line.startswith("train")}
    assert "failed" not in lines["plain"]
    assert "failed" in lines["broken"]
    assert "n/a" in lines["needy"]
    assert "ValueError: no good for cpu" in done.stdout
    assert "needs the package 'nope'" in done.stdout
    assert "writing sums-tiny: 203 rows" in done.stderr
    raw = next((tmp_path / "results/raw").glob("*.jsonl"))
    assert str(raw.relative_to(tmp_path)) in done.stdout
    assert [json.loads(line)["kind"] for line in raw.read_text().splitlines()] == ["failure", "measurement", "failure"]
    again = feedrate(tmp_path, "show")
    assert again.stdout == done.stdout


@pytest.mark.process
def test_what_is_not_available_is_no_failure(tmp_path: Path) -> None:
    chosen = ("--loader", "needy", "--loader", "plain", "--step", "train", "--json")
    done = feedrate(tmp_path, "run", "sums", "--once", *chosen, *QUICK)

    assert done.returncode == 0, done.stderr
    assert [outcome.get("failure", {}).get("kind") for outcome in json.loads(done.stdout)] == ["unavailable", None]


def test_a_run_that_measured_nothing_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    status = main(["run", "sums", "--loader", "needy", "--step", "train", "--json", *QUICK])

    told = capsys.readouterr()
    assert status == 2
    assert [outcome["failure"]["kind"] for outcome in json.loads(told.out)] == ["unavailable"]
    assert told.err.endswith("feedrate: nothing was measured: this machine lacks what the cells need\n")


EXITING = """
import sys
from dataclasses import dataclass

from feedrate import Loader, Need, hookimpl


@dataclass(frozen=True)
class Leaving(Loader):
    name = "leaving"
    needs = (Need("patience", lambda: sys.exit(0), "wait"),)

    def stream(self, plan):
        yield from ()


@hookimpl
def loaders():
    return (Leaving,)
"""


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("import sys\nsys.exit(0)\n", "feedrate: --plugin exiting_plugin.py: SystemExit: 0\n"),
        ("raise OSError('a\\nb')\n", "feedrate: --plugin exiting_plugin.py: OSError: a b\n"),
        ("class Odd(BaseException): ...\nraise Odd\n", "feedrate: --plugin exiting_plugin.py: Odd: no message\n"),
        (EXITING, "feedrate: run: a plugin called sys.exit(0) before it was done\n"),
    ],
)
def test_a_plugin_that_ends_the_process_is_named_and_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], source: str, line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(sys.path))
    monkeypatch.delitem(sys.modules, "exiting_plugin", raising=False)
    Path("exiting_plugin.py").write_text(source)

    asked = ("--plugin", "exiting_plugin.py", "--size", "tiny", "--device", "cpu")
    status = main(["run", "fxseq", "--loader", "leaving", "--step", "none", *asked])

    sys.modules.pop("exiting_plugin", None)
    told = capsys.readouterr()
    assert (status, told.out, told.err) == (2, "", line)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "__pycache__") == ["exiting_plugin.py"]


@pytest.mark.process
def test_one_cell_writes_one_document_and_says_that_safe_mode_was_forced(tmp_path: Path) -> None:
    cell = ("--cell", "sums/tiny/plain[depth=4]/train/cpu", "--replicate", "3", "--out", "out.json", "--quiet")
    done = feedrate(tmp_path, "run", *cell, "--plugin", str(PLUGIN), "--seconds", "0.05", FORCE_SINGLE_PROCESS="1")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    document = json.loads((tmp_path / "out.json").read_text())
    assert document["replicate"] == 3
    assert document["metrics"]["time_per_sample_s"] > 0
    assert document["requested"]["safe"] is True
    assert len(list((tmp_path / "results/raw").glob("*.jsonl"))) == 1


@pytest.mark.process
def test_one_cell_that_cannot_be_is_n_a_in_its_document(tmp_path: Path) -> None:
    done = feedrate(tmp_path, "run", "--cell", "sums/tiny/later/train/cpu", "--out", "out.json", *QUICK[:2])

    assert done.returncode == 2
    assert json.loads((tmp_path / "out.json").read_text())["failure"]["kind"] == "unavailable"


@pytest.mark.process
def test_an_interrupted_run_prints_what_there_is_and_leaves_no_process(tmp_path: Path) -> None:
    chosen = ("run", "sums", "--loader", "needy", "--loader", "stuck", "--step", "train")
    found = interrupted(tmp_path, "needy", *chosen, *QUICK)

    assert found.status == 130
    assert "n/a" in found.told
    assert "stuck" not in found.told
    assert not _processes_in(tmp_path)


def _processes_in(folder: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == folder:
                found.append((process / "cmdline").read_text())
        except OSError:
            continue
    return found


@pytest.mark.process
def test_check_names_the_broken_promise_of_a_loader_in_a_file(tmp_path: Path) -> None:
    done = feedrate(tmp_path, "check", "wrong", "--workload", "sums", "--plugin", str(PLUGIN), "--json")

    verdicts = {one["promise"]: one["broken"] for one in json.loads(done.stdout)}
    assert done.returncode == 1
    assert verdicts["serves each row once"]
    assert all("wrong" in broken for broken in verdicts.values() if broken)


@pytest.mark.process
def test_check_holds_a_workload_of_a_file_to_its_promises(tmp_path: Path) -> None:
    done = feedrate(tmp_path, "check", "sums", "--plugin", str(PLUGIN), "--json")

    verdicts = {one["promise"]: one["broken"] for one in json.loads(done.stdout)}
    assert done.returncode == 0
    assert verdicts["plans each sample once"] == ""
    assert set(verdicts.values()) == {""}


@pytest.mark.slow
def test_check_trains_when_it_is_asked_to_and_tells_the_shape_of_the_curve(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("check", "sums", "--train", "100", "--size", "tiny", "--plugin", str(PLUGIN))
    assert main(asked) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("  kept    learns what holds for samples that it has not met: healthy: training loss ")

    assert main([*asked, "--json"]) == 0
    (trained,) = (verdict for verdict in json.loads(capsys.readouterr().out) if "curve" in verdict)
    assert (trained["broken"], trained["curve"]["shape"], len(trained["curve"]["training"])) == ("", "healthy", 100)


@pytest.mark.slow
def test_check_breaks_on_a_curve_that_is_not_healthy(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "known[guess=constant]", "--train", "40", "--size", "small"]) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("  BROKEN  learns what holds for samples that it has not met: degenerate (it says the same")


@pytest.mark.process
def test_data_is_made_listed_verified_and_removed(tmp_path: Path) -> None:
    where = ("--plugin", str(PLUGIN), "--size", "tiny")
    assert feedrate(tmp_path, "data", "make", "sums", *where).returncode == 0
    listed = json.loads(feedrate(tmp_path, "data", "list", "--json").stdout)
    assert [(one["state"], one["rows"]) for one in listed] == [("ready", 203)]
    assert feedrate(tmp_path, "data", "verify").returncode == 0

    shard = tmp_path / "data/sums-tiny/00001.arrow"
    shard.write_bytes(bytes(shard.stat().st_size))
    verified = feedrate(tmp_path, "data", "verify")
    assert verified.returncode == 1
    assert "damaged: 00001.arrow" in verified.stdout

    assert feedrate(tmp_path, "data", "make", "sums", "--force", *where).returncode == 0
    assert feedrate(tmp_path, "data", "verify").returncode == 0
    assert feedrate(tmp_path, "data", "remove", "sums", "--plugin", str(PLUGIN)).returncode == 0
    assert list((tmp_path / "data").iterdir()) == []


@pytest.mark.process
def test_data_never_overwrites_a_folder_that_is_not_a_data_set(tmp_path: Path) -> None:
    mine = tmp_path / "data/sums-tiny/thesis.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("years of work")

    done = feedrate(tmp_path, "data", "make", "sums", "--force", "--plugin", str(PLUGIN), "--size", "tiny")

    assert done.returncode == 2
    assert mine.read_text() == "years of work"


@pytest.mark.process
def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m feedrate list --json | head -c 1"
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    assert (done.stdout, done.stderr) == ("{", "")

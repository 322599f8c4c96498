"""`feedrate why -- COMMAND` as a user meets it: a script of theirs in real processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.commands import feedrate, interrupted, refused

pytestmark = pytest.mark.process

SCRIPTS = Path(__file__).parents[1] / "support" / "scripts"
SCRIPT = SCRIPTS / "in_turns.py"
LINES = [line.strip() for line in SCRIPT.read_text().splitlines()]
QUICK = ("why", "-r", "1", "--seconds", "0.1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("script")
    shutil.copy(SCRIPT, folder / "train.py")
    (folder / "best.ckpt").write_text("mine")
    return folder


@pytest.fixture(scope="module")
def done(folder: Path) -> subprocess.CompletedProcess[str]:
    return feedrate(folder, *QUICK, "--json", "--", sys.executable, "train.py", "1000")


@pytest.fixture(scope="module")
def answer(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    (only,) = json.loads(done.stdout)
    assert isinstance(only, dict)
    return only


def test_a_script_is_measured_as_it_is_and_says_what_a_cell_says(answer: dict[str, Any]) -> None:
    assert answer["cell"] == "train.py/own/dataloader/own/cpu"
    assert {"kind", "sentence", "next_try"} <= answer["verdict"].keys()
    assert isinstance(answer["remarks"], list)
    times_s = [answer["evidence"][name]["mean"] for name in ("full_s", "step_s", "loader_s")]
    # What sleeps takes at least so long, whatever the machine does.
    assert all(time_s >= least_s for time_s, least_s in zip(times_s, (0.0164, 0.01, 0.0064), strict=True))
    (measured,) = answer["measured"]
    assert measured["observed"]["loader settings"]["batch_size"] == 64
    assert measured["batch_samples"] == 64
    assert measured["rounds"] >= 4


def test_the_lines_that_loader_and_step_are_at_are_named(answer: dict[str, Any]) -> None:
    places = answer["evidence"]["places"]
    if not places["loader"]:
        pytest.skip("the kernel lets nobody look at the processes")
    assert (places["loader"][0]["file"], places["loader"][0]["line"]) == (
        "train.py",
        LINES.index("time.sleep(1e-4)") + 1,
    )
    assert (places["step"][0]["file"], places["step"][0]["line"]) == ("train.py", LINES.index("time.sleep(0.01)") + 1)


def test_what_fetching_takes_and_what_is_in_a_step_are_known(answer: dict[str, Any]) -> None:
    evidence = answer["evidence"]
    parts_s = {part["stage"]: part["cost"]["mean"] for part in evidence["loading_parts"]}
    assert {"fetch", "collate"} <= parts_s.keys()
    assert parts_s["fetch"] >= 0.0064
    assert evidence["facts"]["operators_per_step"] > 5


def test_the_loop_is_watched_for_a_while(answer: dict[str, Any]) -> None:
    (ladder,) = answer["ladders"]
    phases = {stretch["phase"] for stretch in ladder["soak"]["stretches"]}
    assert phases == {"step", "loader", "both"}


def test_what_was_measured_is_shown_again_and_nothing_of_the_users_changed(
    done: subprocess.CompletedProcess[str], folder: Path
) -> None:
    assert done.returncode == 0
    shown = feedrate(folder, "show", "--details")
    assert shown.returncode == 0, shown.stderr
    assert "train.py/own/dataloader/own/cpu, ms a batch, mean of 1 process" in shown.stdout
    assert "rung " not in shown.stdout
    # What a script has no ladder for is not explained either.
    explained = feedrate(folder, "show", "--details", "--explain").stdout
    assert "  the time of a batch, the step alone on batches that are ready" in explained
    assert not [word for word in ("read cold", "with step ms", "readers") if word in explained]
    assert (folder / "best.ckpt").read_text() == "mine"
    assert {path.name for path in folder.iterdir()} == {"train.py", "best.ckpt", "results", "logs"}


def test_a_script_that_fails_by_itself_shows_its_own_last_words(folder: Path) -> None:
    failed = feedrate(folder, *QUICK, "--", sys.executable, "train.py", "many")
    assert failed.returncode == 1
    assert "ValueError: invalid literal for int() with base 10: 'many'" in failed.stderr
    assert (
        "feedrate: train.py/own/dataloader/own/cpu: failed, exception: the script failed by itself, with status 1"
        in (failed.stderr)
    )
    assert failed.stdout == ""


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("print('no loader')", "ended without iterating a DataLoader of torch"),
        (
            "from torch.utils.data import DataLoader\nfor batch in DataLoader(range(100), batch_size=10): pass",
            "no optimizer of torch made a step between the 10 batches of the script's loaders",
        ),
        (
            "import train, sys; from torch.utils.data import DataLoader as D; train.Numbers.__len__ = lambda s: 128\n"
            "train.main(1)",
            "the script ended after 2 batches and 2 steps of its optimizer",
        ),
    ],
)
def test_a_script_that_gives_nothing_to_time_is_told_why_and_the_way_out(code: str, text: str, folder: Path) -> None:
    failed = feedrate(folder, *QUICK, "--", sys.executable, "-c", code)
    assert failed.returncode == 1
    assert text in failed.stderr
    assert "Traceback" not in failed.stderr


def test_wrong_data_are_told_before_any_speed(folder: Path) -> None:
    code = (
        "import numpy, torch, train\n"
        "class Drawn(train.Numbers):\n"
        "    random = numpy.random.default_rng(0)\n"
        "    def __getitem__(self, index): return torch.tensor(self.random.random()).repeat(8), torch.tensor(1.0)\n"
        "train.Numbers, loader = Drawn, train.DataLoader\n"
        "train.DataLoader = lambda *args, **kwargs: loader(*args, num_workers=2, **kwargs)\n"
        "train.main(100)\n"
    )
    failed = feedrate(folder, *QUICK, "--", sys.executable, "-c", code)
    assert failed.returncode == 1
    assert "failed, invalid: WRONG DATA: all 2 workers draw the same random numbers" in failed.stderr


def test_what_cannot_take_the_loaders_place_is_one_failure_and_the_others_are_raced(folder: Path) -> None:
    code = (
        "import torch, train\n"
        "class Stream(torch.utils.data.IterableDataset):\n"
        "    def __iter__(self): return ((torch.ones(8), torch.tensor(1.0)) for _ in range(640))\n"
        "train.Numbers, loader = Stream, train.DataLoader\n"
        "train.DataLoader = lambda *args, shuffle, **kwargs: loader(*args, **kwargs)\n"
        "train.main(100000)\n"
    )
    race = ("run", "--seconds", "0.05", "-l", "dataloader", "-l", "threads[count=2]", "--json", "--quiet")
    raced = feedrate(folder, *race, "--", sys.executable, "-c", code)
    assert raced.returncode == 0, raced.stderr
    own, threads = json.loads(raced.stdout)
    assert own["kind"] == "measurement"
    assert (threads["why"], threads["reason"]) == (
        "unavailable",
        "threads[count=2]: an iterable data set has no samples to be asked for: race settings of dataloader",
    )


RING = "ring_workers[count=2]"


def test_inline_and_a_ring_take_the_loaders_place_over_the_same_samples(folder: Path) -> None:
    race = ("run", "--seconds", "0.05", "-l", "inline", "-l", RING, "--json", "--quiet")
    raced = feedrate(folder, *race, "--", sys.executable, "train.py", "100000")
    assert raced.returncode == 0, raced.stderr
    inline, ring = json.loads(raced.stdout)
    assert [outcome["cell"].split("/")[2] for outcome in (inline, ring)] == ["inline", RING]
    assert inline["checked_batches"]
    assert ring["checked_batches"]
    assert ring["observed"]["loader settings"]["num_workers"] == 2


def test_an_interrupt_leaves_nothing_of_a_ring(folder: Path) -> None:
    (folder / "ring.py").write_text(
        "import pathlib, torch, train\n"
        "get = train.Numbers.__getitem__\n"
        "def noted(self, index):\n"
        "    if torch.utils.data.get_worker_info(): pathlib.Path('works').touch()\n"
        "    return get(self, index)\n"
        "train.Numbers.__getitem__ = noted\n"
        "train.main(100000)\n"
    )
    shared = set(os.listdir("/dev/shm"))
    command = ("run", "--seconds", "5", "-l", RING, "--", sys.executable, "ring.py")
    with subprocess.Popen(
        [sys.executable, "-m", "feedrate", *command], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        until = time.monotonic() + 60
        while not (folder / "works").exists() and time.monotonic() < until:
            time.sleep(0.05)
        below = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert (folder / "works").exists()
    assert process.returncode == 130
    _, alive = psutil.wait_procs(below, timeout=10)
    assert alive == []
    pids = [child.pid for child in below]
    assert not [name for name in set(os.listdir("/dev/shm")) - shared if any(f"_{pid}_" in name for pid in pids)]
    for name in ("ring.py", "works"):
        (folder / name).unlink()


def test_out_of_place_a_script_writes_over_nothing(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import pathlib, train; pathlib.Path('best.ckpt').write_text('spoilt'); train.main(100000)"
    copy = tmp_path / "copy"
    done = feedrate(folder, *QUICK, "--out-of-place", str(copy), "--json", "--", sys.executable, "-c", code)
    assert done.returncode == 0, done.stderr
    assert (folder / "best.ckpt").read_text() == "mine"
    assert (copy / "best.ckpt").read_text() == "spoilt"
    monkeypatch.chdir(folder)
    again = refused(("tune", "--out-of-place", str(copy), "--", sys.executable, "-c", code), capsys)
    assert again.endswith(
        f"{str(copy)!r} is not empty; a copy of the working folder needs one that is, or is not there"
    )


FOR_LINES = [
    number for number, line in enumerate((SCRIPTS / "two_loops.py").read_text().splitlines(), 1) if "    for " in line
]


@pytest.fixture
def two_loops(folder: Path) -> Iterator[Path]:
    path = folder / "two_loops.py"
    shutil.copy(SCRIPTS / "two_loops.py", path)
    yield path
    path.unlink()


def test_the_loop_that_is_asked_for_is_measured(folder: Path, two_loops: Path) -> None:
    asked = ("--loop", f"{two_loops.name}:{FOR_LINES[2]}")
    done = feedrate(folder, *QUICK, "--json", "--quiet", *asked, "--", sys.executable, two_loops.name, "20")
    assert done.returncode == 0, done.stderr
    (answer,) = json.loads(done.stdout)
    # The first of the two takes 2 ms.
    assert answer["evidence"]["step_s"]["mean"] >= 0.012


def test_a_loop_that_does_not_train_is_refused_with_those_that_do(folder: Path, two_loops: Path) -> None:
    asked = ("--loop", f"{two_loops.name}:{FOR_LINES[0]}")
    failed = feedrate(folder, *QUICK, *asked, "--", sys.executable, two_loops.name, "20")
    assert failed.returncode == 1
    assert (
        f"no optimizer of torch made a step in the loop at two_loops.py:{FOR_LINES[0]}; those that do:"
        f" two_loops.py:{FOR_LINES[1]}, two_loops.py:{FOR_LINES[2]} (--loop)"
    ) in failed.stderr


def test_a_script_that_hangs_says_where_and_its_log_has_the_stacks(folder: Path) -> None:
    never = "train.Numbers.__getitem__ = lambda self, index: threading.Event().wait()"
    (folder / "hang.py").write_text(f"import threading, train; {never}; train.main(1)")
    hung = feedrate(folder, *QUICK, "--deadline-s", "12", "--", sys.executable, "hang.py")
    assert hung.returncode == 1
    assert "failed, hang: " in hung.stderr
    (log,) = (folder / "logs").rglob("hang.py-*.log")
    if "--- stacks" not in log.read_text():
        pytest.skip("the kernel lets nobody look at the processes")
    assert "the process that trains stands at hang.py:1, in threading; still running at its deadline" in hung.stderr
    (folder / "hang.py").unlink()


def test_an_interrupt_ends_the_script_and_all_below_it(folder: Path) -> None:
    ended = interrupted(folder, "train.py trains", "why", "--seconds", "5", "--", sys.executable, "train.py", "100000")
    assert ended.status == 130
    assert "interrupted" in ended.complaints


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("why", "--", "pythn", "train.py"), "'pythn' is no program here"),
        (("why", "--"), "no command stands after `--`"),
        (("why",), "nothing to explain"),
        (("why", "a/b/c", "--", "python"), "there is no cell"),
        (("why", "--loop", "gone.py:3", "--", "python"), "--loop gone.py:3: there is no file 'gone.py' here"),
        (("why", "--loop", "gone.py:3", "a/b/c"), "--loop is of a command after `--`"),
        (("why", "--try", "a/b/c"), "--try is of a command after `--`"),
        (("why", "--try", "--since", "HEAD", "--", "python"), "--since says what has changed, and advises nothing"),
        (("run", "-l", "thread", "--", "python"), "'thread' takes no script's loader's place; did you mean threads?"),
        (("run", "-l", "threads[workers=2]", "--", "python"), "threads has no setting 'workers' here"),
        (("run", "-l", "ring_workers[count=0]", "--", "python"), "count=0 is no whole number from 1 to 256"),
        (("run", "-l", "inline[count=1]", "--", "python"), "inline has no setting 'count' here"),
        (("run", "boardmoves", "--", "python"), "there is no workload"),
        (("run", "boardmoves", "--out-of-place", "x"), "--out-of-place makes a copy of this folder for `-- COMMAND`"),
        (("why", "--since", "HEAD", "--out-of-place", "x", "--", "python"), "with --since it runs where it is"),
        (("list", "--", "python"), "a command after `--` is nothing for 'list'"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    arguments: tuple[str, ...],
    text: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert text in refused(arguments, capsys)
    assert not list(tmp_path.iterdir())

"""Fresh interpreters that end in every way there is; each time the outcome says so and nothing is left."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from feedrate.data.dataset import DataSet
from feedrate.records.measurement import Failure, Measurement
from feedrate.records.validity import doubts, remarks
from feedrate.runner.forkserver import ForkServer
from feedrate.runner.isolation import ReplicateSettings, measure
from feedrate.system.procfs import alive, process_tree
from tests.support import PLUGINS

pytestmark = pytest.mark.process

MISCHIEF = PLUGINS / "mischief.py"


@pytest.fixture
def settings(
    sums_data: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fork_server: ForkServer
) -> Iterator[ReplicateSettings]:
    scratch = tempfile.mkdtemp(prefix="t-")
    monkeypatch.setattr(tempfile, "tempdir", scratch)
    yield ReplicateSettings(
        sums_data.folder.parent,
        tmp_path / "logs",
        "test",
        seconds=0.05,
        plugin_files=(MISCHIEF,),
        timeout_s=60,
        fork_server=fork_server,
    )
    shutil.rmtree(scratch)


@pytest.fixture(params=["forked", "own"])
def either(request: pytest.FixtureRequest, settings: ReplicateSettings) -> ReplicateSettings:
    """The settings of a process that is forked, and of one that imports torch itself."""
    return settings if request.param == "forked" else replace(settings, fork_server=None)


def failure(cell: str, settings: ReplicateSettings) -> Failure:
    outcome = measure(cell, settings)
    assert isinstance(outcome, Failure), outcome
    return outcome


def left_behind() -> list[str]:
    """Temporary files of runs, shared memory of the plugin's making, and processes below this one."""
    files = [path.name for path in Path(tempfile.gettempdir()).iterdir()]
    shared = [name for name in os.listdir("/dev/shm") if name.startswith("feedrate-test")]
    below = [str(pid) for pid in process_tree(os.getpid()) if pid != os.getpid() and not stays(pid)]
    return files + shared + below


def stays(pid: int) -> bool:
    """Whether it is the test process's own resource tracker or one of its fork servers."""
    command = Path(f"/proc/{pid}/cmdline").read_bytes()
    leads = os.getsid(pid) == pid
    ours = b"resource_tracker" in command or b"multiprocessing.forkserver" in command
    return ours or (b"feedrate.metering.forkserver_main" in command and leads and nursed(pid))


def nursed(pid: int) -> bool:
    """Whether it is the fork server itself, which this process started, and not what it forked."""
    return f"\nPPid:\t{os.getpid()}\n" in Path(f"/proc/{pid}/status").read_text()


def test_a_healthy_cell_gives_three_times_and_what_surrounds_them(either: ReplicateSettings) -> None:
    outcome = measure("sums/tiny/threads/fp32/cpu", either)
    assert isinstance(outcome, Measurement), outcome
    assert outcome.step_batch_s > 0
    assert outcome.loader_batch_s > 0
    assert outcome.full_batch_mean_s > 0
    assert outcome.checked_batches >= 1
    assert outcome.host_peak_bytes is not None
    assert outcome.host_peak_bytes > 50e6
    assert outcome.device_peak_bytes is None
    assert outcome.page_cache == "warm"
    assert outcome.loss_first is not None
    assert outcome.loss_last is not None
    assert outcome.loss_last < outcome.loss_first
    assert outcome.health is not None
    assert [part.module for part in outcome.health.gradients] == ["inner", "outer"]
    assert outcome.health.without_gradient == ()
    assert outcome.requested["loader.depth"] == 4
    assert outcome.requested["step.cudnn_benchmark"] is False
    assert (outcome.requested["precision"], outcome.requested["compiled"]) == ("fp32", False)
    assert outcome.observed["matmul precision"] == "highest"
    assert outcome.observed["cudnn benchmark"] is False


def test_a_step_that_is_not_as_exact_as_it_says_has_no_number(settings: ReplicateSettings) -> None:
    outcome = failure("sums/tiny/inline/sloppy/cpu", settings)
    assert outcome.why == "invalid"
    assert "the step says fp32, and torch multiplied fp32 numbers at precision 'high'" in outcome.reason


def test_threads_are_capped_before_the_interpreter_starts(either: ReplicateSettings) -> None:
    one = ReplicateSettings(**{**vars(either), "threads": 1})
    outcome = measure("sums/tiny/inline/none/cpu", one)
    assert isinstance(outcome, Measurement), outcome
    assert outcome.observed["torch_threads"] == 1
    assert outcome.observed["arrow_cpu_threads"] == 1
    assert outcome.observed["arrow_io_threads"] == 1


def test_a_single_pool_has_a_cap_of_its_own(either: ReplicateSettings) -> None:
    outcome = measure(
        "sums/tiny/inline/none/cpu", replace(either, threads=2, pools={"OMP": 1, "ARROW": 3, "ARROW_IO": 4})
    )
    assert isinstance(outcome, Measurement), outcome
    assert outcome.requested["pools"] == {"OMP": 1, "ARROW": 3, "ARROW_IO": 4}
    names = ("torch_threads", "arrow_cpu_threads", "arrow_io_threads")
    assert [outcome.observed[name] for name in names] == [1, 3, 4]
    assert not any("asked for" in doubt for doubt in doubts(outcome))


@pytest.mark.parametrize("loader", ["workers", "ring_workers"])
def test_workers_are_counted_and_their_pools_are_read_inside_them(loader: str, either: ReplicateSettings) -> None:
    outcome = measure(f"sums/tiny/{loader}[count=2]/none/cpu", either)
    assert isinstance(outcome, Measurement), outcome
    assert outcome.requested["loader.count"] == 2
    assert outcome.observed["workers resolved"] == 2
    assert outcome.observed["workers alive"] == 2
    workers = outcome.observed["workers"]
    assert isinstance(workers, list)
    for pool in ("torch_threads", "torch_interop_threads", "arrow_cpu_threads", "arrow_io_threads"):
        assert [worker[pool] for worker in workers] == [1, 1]
    assert len({worker["seed"] for worker in workers}) == 2


def test_the_safe_mode_starts_no_worker_and_the_record_says_so(either: ReplicateSettings) -> None:
    outcome = measure("sums/tiny/workers[count=2]/none/cpu", ReplicateSettings(**{**vars(either), "safe": True}))
    assert isinstance(outcome, Measurement), outcome
    assert outcome.requested["safe"] is True
    assert outcome.requested["loader.count"] == 2
    assert outcome.observed["workers resolved"] == 0


TROUBLES = {
    "raise": ("exception", "ValueError: the loader had enough"),
    "kill": ("signal", "SIGKILL"),
    "exit": ("exception", "status 7"),
    "devour": ("out of memory", "allocate"),
    "orphan": ("signal", "SIGKILL"),
    "realtime": ("signal", f"SIGRTMIN+{40 - signal.SIGRTMIN}"),
    "overwrite": ("exception", "no answer"),
    "forge": ("exception", "its answer cannot be read"),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_loader_that_fails_is_a_result_and_leaves_nothing(trouble: str, either: ReplicateSettings) -> None:
    why, text = TROUBLES[trouble]
    outcome = failure(f"sums/tiny/troubled[trouble={trouble}]/none/cpu".replace("[trouble=raise]", ""), either)
    assert outcome.why == why
    assert text in outcome.reason
    assert "\n" not in outcome.reason
    assert left_behind() == []


def test_a_hang_ends_at_the_deadline_with_the_stacks_of_all_threads_in_the_log(either: ReplicateSettings) -> None:
    soon = replace(either, timeout_s=8.0 if either.fork_server else 20.0)
    outcome = failure("sums/tiny/troubled[trouble=hang]/none/cpu", soon)
    assert outcome.why == "hang"
    assert "_hang" in Path(outcome.log).read_text()


def test_a_daemon_with_a_session_of_its_own_is_ended_and_the_record_says_who_left_it(either: ReplicateSettings) -> None:
    outcome = measure("sums/tiny/troubled[trouble=daemon]/none/cpu", either)
    assert isinstance(outcome, Measurement), outcome
    assert outcome.observed["left running"] == ["sleep 4321"]
    assert "the loader left running, and it was ended: sleep 4321" in remarks(outcome)
    assert left_behind() == []
    assert not [file for file in Path("/proc").glob("[0-9]*/cmdline") if b"sleep\0004321" in _read(file)]


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


def test_a_log_without_end_keeps_its_head_and_its_tail_and_says_what_is_missing(either: ReplicateSettings) -> None:
    outcome = measure("sums/tiny/troubled[trouble=print]/none/cpu", either)
    assert isinstance(outcome, Measurement), outcome
    text = Path(outcome.log).read_text()
    assert len(text) < 3 << 20
    assert text.startswith("the first line\n")
    assert text.endswith("the last line\n")
    left_out = re.search(r"--- feedrate left out ([\d,]+) bytes here", text)
    assert left_out
    written = 400 * 8 * 8192
    assert written <= int(left_out[1].replace(",", "")) + len(text) < 1.01 * written


def test_a_log_that_is_removed_meanwhile_is_missing_and_the_number_stands(either: ReplicateSettings) -> None:
    outcome = measure("sums/tiny/troubled[trouble=unlog]/none/cpu", either)
    assert isinstance(outcome, Measurement), outcome
    assert outcome.log == ""
    assert left_behind() == []


@pytest.mark.parametrize("loader", ["x" * 300, "../../x", "\n\x1b[2J"])
def test_a_name_that_is_no_file_name_fails_that_cell_alone_and_writes_nowhere_else(
    loader: str, settings: ReplicateSettings, tmp_path: Path
) -> None:
    outcome = failure(f"sums/tiny/{loader}/none/cpu", settings)
    assert outcome.why == "exception"
    assert Path(outcome.log).parent == settings.logs / "test"
    assert {path.name for path in tmp_path.iterdir()} == {"logs"}


def test_logs_that_cannot_be_written_fail_the_cell(settings: ReplicateSettings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    outcome = failure("sums/tiny/inline/none/cpu", replace(settings, logs=tmp_path / "file"))
    assert outcome.why == "exception"
    assert "it could not be measured: " in outcome.reason
    assert left_behind() == []


def test_the_stacks_of_a_crashed_worker_are_in_the_log(settings: ReplicateSettings) -> None:
    outcome = failure("sums/tiny/crashing/none/cpu", settings)
    assert f"see {outcome.log}" in outcome.reason or outcome.log
    text = Path(outcome.log).read_text()
    assert "--- worker-0" in text
    assert "Fatal Python error: Segmentation fault" in text


def test_a_killed_worker_is_a_failure_and_not_a_hang(settings: ReplicateSettings) -> None:
    run = subprocess.Popen(
        [
            sys.executable,
            "-c",
            KILLER.format(settings=vars(replace(settings, fork_server=None))),
            "sums/tiny/ring_workers[count=2]/none/cpu",
        ],
        stdout=subprocess.PIPE,
        cwd=PLUGINS,
        text=True,
    )
    victim = first_worker(run.pid)
    os.kill(victim, signal.SIGKILL)
    out, _ = run.communicate(timeout=60)
    # Not `invalid`: --safe-retry measures it without processes.
    assert out.startswith("exception ")
    assert f"worker {victim} was ended by SIGKILL" in out


KILLER = """
import sys
from pathlib import Path, PosixPath
from feedrate.runner.isolation import ReplicateSettings, measure
from feedrate.runner.forkserver import ForkServer
with ForkServer.opened({{}}) as fork_server:
    settings = ReplicateSettings(**{{**{settings}, "seconds": 30.0, "fork_server": fork_server}})
    outcome = measure(sys.argv[1], settings)
print(getattr(outcome, "why", "measured"), getattr(outcome, "reason", ""))
"""


def first_worker(root: int) -> int:
    """The first process below `root` that multiprocessing spawned and that has got to work."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        for pid in process_tree(root):
            try:
                line = Path(f"/proc/{pid}/cmdline").read_bytes()
                busy = "libtorch_cpu" in Path(f"/proc/{pid}/maps").read_text()
            except OSError:
                continue
            if b"spawn_main" in line and busy:
                return pid
        time.sleep(0.05)
    raise AssertionError("no worker came")


@pytest.mark.parametrize(
    ("loader", "step", "text"),
    [
        ("unfaithful", "none", "does not hold the rows"),
        ("unfaithful[fault=short]", "none", "the stream ends after"),
        ("unfaithful[fault=stale]", "none", "was written again while it was held"),
        ("unfaithful[fault=corrupted]", "none", "'y' of row"),
        ("inline", "faulty[fault=zero]", "is not above 0"),
        ("inline", "faulty", "is not finite"),
        ("inline", "faulty[fault=frozen]", "no parameter moved"),
        ("inline", "faulty[fault=climbing]", "must fall"),
    ],
)
def test_wrong_rows_and_steps_that_do_not_train_get_no_number(
    loader: str, step: str, text: str, settings: ReplicateSettings
) -> None:
    outcome = failure(f"sums/tiny/{loader}/{step}/cpu", settings)
    assert outcome.why == "invalid"
    assert text in outcome.reason


def test_a_long_name_of_the_temporary_folder_breaks_no_worker(
    settings: ReplicateSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    assert isinstance(measure("sums/tiny/workers[count=1]/none/cpu", settings), Measurement)


def test_an_exception_in_the_step_names_it(settings: ReplicateSettings) -> None:
    outcome = failure("sums/tiny/inline/failing/cpu", settings)
    assert outcome.why == "exception"
    assert "RuntimeError: the step had enough" in outcome.reason
    assert "the step had enough" in Path(outcome.log).read_text()


def test_ctrl_c_reaches_the_caller_at_once_and_leaves_no_process(settings: ReplicateSettings) -> None:
    run = subprocess.Popen(
        [
            sys.executable,
            "-c",
            KILLER.format(settings=vars(replace(settings, fork_server=None))),
            "sums/tiny/ring_workers[count=2]/none/cpu",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=PLUGINS,
        text=True,
    )
    first_worker(run.pid)
    family = set(process_tree(run.pid))
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=10)
    assert "KeyboardInterrupt" in err
    assert alive(family) == 0

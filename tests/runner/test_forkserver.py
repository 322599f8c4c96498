"""What is forked from the process that imports torch: alone, several at once, and when somebody dies."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import pytest

import feedrate
from feedrate.data.dataset import DataSet
from feedrate.errors import FeedrateError
from feedrate.records.measurement import Failure, Measurement
from feedrate.runner.forkserver import FORK_SERVER, ForkServer
from feedrate.runner.isolation import ReplicateSettings, measure
from feedrate.system.procfs import alive, process_tree
from tests.support import PLUGINS

pytestmark = pytest.mark.process

MISCHIEF = PLUGINS / "mischief.py"


@pytest.fixture(scope="module")
def fork_server() -> Iterator[ForkServer]:
    with ForkServer.opened({}) as opened:
        yield opened


@pytest.fixture
def settings(sums_data: DataSet, tmp_path: Path, fork_server: ForkServer) -> ReplicateSettings:
    return ReplicateSettings(
        sums_data.folder.parent,
        tmp_path / "logs",
        "test",
        seconds=0.05,
        plugin_files=(MISCHIEF,),
        fork_server=fork_server,
    )


def until(happened: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def test_two_at_once_do_not_meet(settings: ReplicateSettings) -> None:
    with ThreadPoolExecutor(2) as pool:
        found = [pool.submit(measure, f"sums/tiny/{loader}/fp32/cpu", settings) for loader in ("inline", "threads")]
    assert [type(one.result()) for one in found] == [Measurement, Measurement]


def test_what_is_forked_imports_nothing_that_every_cell_needs(
    settings: ReplicateSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    with ForkServer.opened({}) as reporting:
        measured = measure("sums/tiny/inline/none/cpu", replace(settings, fork_server=reporting))
    modules = [line.rpartition("|")[2].strip() for line in Path(measured.log).read_text().splitlines()]

    shared = (
        "torch",
        "numpy",
        "scipy",
        "feedrate.metering",
        "feedrate.plugin",
        "feedrate.builtin",
        "feedrate.calibration",
    )
    assert "sums" in modules, "a plugin of a stranger's is each child's to import"
    assert [name for name in modules if name.startswith(shared)] == []


def test_the_back_end_of_the_compiler_is_imported_once_a_child_has_needed_it(
    settings: ReplicateSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    imported = []
    with ForkServer.opened({}) as reporting:
        for loader in ("inline", "troubled[trouble=compiler]", "inline"):
            outcome = measure(f"sums/tiny/{loader}/none/cpu", replace(settings, fork_server=reporting))
            assert isinstance(outcome, Measurement), outcome
            (log,) = reporting.folder.glob("*.log")
            imported.append("torch._inductor.graph" in log.read_text())
    assert imported == [False, False, True]


def test_what_the_fork_server_lends_counts_as_memory_of_the_measured(settings: ReplicateSettings) -> None:
    forked, own = (
        measure("sums/tiny/inline/fp32/cpu", replace(settings, fork_server=n)) for n in (settings.fork_server, None)
    )
    assert isinstance(forked, Measurement)
    assert isinstance(own, Measurement)
    assert forked.host_peak_bytes is not None
    assert own.host_peak_bytes is not None
    # It holds the whole of the compiler; half of it, as the bare proportional set size says, would be less.
    assert own.host_peak_bytes * 0.9 < forked.host_peak_bytes


def test_one_fork_server_serves_all_and_another_cap_of_threads_another(
    settings: ReplicateSettings, fork_server: ForkServer
) -> None:
    first = measure("sums/tiny/inline/none/cpu", replace(settings, threads=1))
    pid = fork_server.pid(1)
    second = measure("sums/tiny/inline/none/cpu", replace(settings, threads=1))
    assert isinstance(first, Measurement)
    assert isinstance(second, Measurement)
    assert first.import_s == second.import_s
    assert fork_server.pid(1) == pid
    assert fork_server.pid(2) != pid
    assert first.observed["torch_threads"] == 1


def test_code_that_changed_since_is_not_what_is_forked(settings: ReplicateSettings, fork_server: ForkServer) -> None:
    file = Path(feedrate.__file__).with_name("errors.py")
    stamps = file.stat().st_atime_ns, file.stat().st_mtime_ns
    measure("sums/tiny/inline/none/cpu", replace(settings, threads=1))
    assert fork_server.pid(1)
    os.utime(file, ns=(stamps[0], stamps[1] + 1))
    try:
        assert fork_server.pid(1) is None
    finally:
        os.utime(file, ns=stamps)


HANG = """
import sys
from pathlib import Path, PosixPath
from feedrate.runner.isolation import ReplicateSettings, measure
from feedrate.runner.forkserver import ForkServer
with ForkServer.opened({environ}) as fork_server:
    measure("sums/tiny/troubled[trouble=hang]/none/cpu", ReplicateSettings(**{settings}, fork_server=fork_server))
"""


def hanging(settings: ReplicateSettings, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """A process that waits for a forked one, which hangs."""
    known = {name: value for name, value in vars(settings).items() if name != "fork_server"}
    return subprocess.Popen([sys.executable, "-c", HANG.format(settings=known, environ=dict(environ))])


def forked(fork_server: int) -> set[int]:
    return set(process_tree(fork_server)) - {fork_server}


def test_the_end_of_whoever_waits_is_the_end_of_what_was_forked(
    settings: ReplicateSettings, fork_server: ForkServer
) -> None:
    measure("sums/tiny/inline/none/cpu", settings)
    mother = fork_server.pid(len(os.sched_getaffinity(0)))
    assert mother
    waiting = hanging(settings, {FORK_SERVER: str(fork_server.folder)})
    until(lambda: forked(mother))
    victims = forked(mother)
    waiting.kill()
    waiting.wait()
    until(lambda: not alive(victims))
    assert alive([mother])


def test_the_end_of_the_owner_is_the_end_of_all(settings: ReplicateSettings) -> None:
    owner = hanging(settings, {})
    until(lambda: len(fork_servers(owner.pid)) == 2)
    everything = fork_servers(owner.pid)
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    until(lambda: not alive(everything))


def fork_servers(root: int) -> set[int]:
    """Below `root`: the fork server and what it forked."""
    found = set()
    for pid in process_tree(root):
        with suppress(OSError):
            if b"feedrate.metering.forkserver_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.add(pid)
    return found


def test_a_killed_fork_server_is_replaced_and_what_it_forked_is_measured_to_its_end(
    settings: ReplicateSettings,
) -> None:
    with ForkServer.opened({}) as own, ThreadPoolExecutor(1) as pool:
        how = replace(settings, fork_server=own, seconds=0.5)
        threads = len(os.sched_getaffinity(0))
        running = pool.submit(measure, "sums/tiny/inline/none/cpu", how)
        until(lambda: own.pid(threads) and forked(own.pid(threads) or 0))
        first = own.pid(threads)
        assert first
        os.kill(first, signal.SIGKILL)
        assert isinstance(running.result(), Measurement)
        assert isinstance(measure("sums/tiny/inline/none/cpu", replace(how, seconds=0.05)), Measurement)
        second = own.pid(threads)
        assert second
        assert second != first
    until(lambda: not alive([first, second]))


def test_clients_that_say_nothing_or_nonsense_keep_nobody_waiting(
    settings: ReplicateSettings, fork_server: ForkServer
) -> None:
    measure("sums/tiny/inline/none/cpu", settings)
    (door,) = (path for path in fork_server.folder.glob(f"*-{len(os.sched_getaffinity(0))}.sock"))
    with ExitStack() as lines:
        for text in (b"", b"{", b"no request\n", b"[]\n", b"{}\n"):
            line = lines.enter_context(socket.socket(socket.AF_UNIX))
            line.connect(str(door))
            line.sendall(text)
        assert isinstance(measure("sums/tiny/inline/none/cpu", settings), Measurement)


UNFORKED = """
import os
from pathlib import Path
fork = os.fork
def failing():
    if Path({refused!r}).exists():
        raise BlockingIOError(11, "Resource temporarily unavailable")
    return fork()
os.fork = failing
"""


def test_a_fork_that_fails_is_a_failed_cell_and_the_next_one_is_measured(
    settings: ReplicateSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = tmp_path / "refused"
    (tmp_path / "sitecustomize.py").write_text(UNFORKED.format(refused=str(refused)))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    with ForkServer.opened({}) as own:
        how = replace(settings, fork_server=own)
        refused.touch()
        failed = measure("sums/tiny/inline/none/cpu", how)
        refused.unlink()
        assert isinstance(measure("sums/tiny/inline/none/cpu", how), Measurement)
    assert isinstance(failed, Failure)
    assert failed.why == "exception"
    assert failed.reason.endswith("no process could be forked: [Errno 11] Resource temporarily unavailable")


def test_the_pid_of_a_fork_server_that_is_gone_is_not_killed_when_another_process_has_it() -> None:
    with subprocess.Popen(["sleep", "100"]) as bystander:
        with ForkServer.opened({}) as own:
            (own.folder / "0123-1.pid").write_text(str(bystander.pid))
        assert bystander.poll() is None
        bystander.kill()


def test_a_torch_that_cannot_be_imported_is_one_line(
    settings: ReplicateSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('libnothing.so is not here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    with (
        ForkServer.opened({}) as broken,
        pytest.raises(FeedrateError, match=r"^torch could not be imported.*libnothing.so is not here$"),
    ):
        measure("sums/tiny/inline/none/cpu", replace(settings, fork_server=broken))

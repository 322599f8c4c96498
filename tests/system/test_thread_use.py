"""What threads want of the processors is read from the kernel, of this process and of those below it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from feedrate.records.competition import ProcessorUse
from feedrate.system import thread_use
from feedrate.system.machine import stopped_s
from feedrate.system.stack_samples import ThreadLooks, sampled
from feedrate.system.synthetic_load import burn_cpu, burn_python
from feedrate.system.thread_use import ThreadMonitor, thread_run

OFFERED = frozenset(os.sched_getaffinity(0))
FIRST = min(OFFERED)
BOUND = f"import os; os.sched_setaffinity(0, {{{FIRST}}}); print(flush=True)\nwhile True: pass"


@contextmanager
def busy_process() -> Iterator[int]:
    """A process that computes for ever on one processor."""
    with subprocess.Popen([sys.executable, "-c", BOUND], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield process.pid
        finally:
            process.kill()


@contextmanager
def companion() -> Iterator[Thread]:
    """A thread of this process that computes until the block is left."""
    ended = Event()

    def compute() -> None:
        while not ended.is_set():
            burn_cpu(0.005)

    thread = Thread(target=compute, name="companion")
    thread.start()
    try:
        yield thread
    finally:
        ended.set()
        thread.join()


def watched(monitor: ThreadMonitor) -> ProcessorUse:
    use = monitor.use()
    if use is None:
        pytest.skip("this kernel does not say how long threads wait")
    return use


@pytest.mark.process
def test_a_process_below_is_seen_with_the_processor_that_it_may_use() -> None:
    with busy_process() as pid:
        monitor = ThreadMonitor(OFFERED)
        burn_python(0.1)
        use = watched(monitor)

    (below,) = [thread for thread in use.threads if thread.process == pid]
    assert (below.processors, below.is_main, below.runs_python) == ((FIRST,), True, False)
    # It wants a processor all the time, and has it or waits for it.
    assert use.wanted(below) == pytest.approx(1.0, abs=0.05)
    assert use.offered == tuple(sorted(OFFERED))
    assert [process for process, _ in use.by_process()] == sorted({os.getpid(), pid})


@pytest.mark.process
def test_a_process_that_waits_all_the_time_wants_a_processor_though_the_kernel_counts_no_wait_before_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with busy_process() as pid:
        # As the kernel has it while a thread stands in the queue: nothing has run, and no wait has ended.
        frozen = thread_use._counted(f"{pid}/task/{pid}/schedstat")
        counted = thread_use._counted
        monkeypatch.setattr(thread_use, "_counted", lambda path: frozen if str(pid) in path else counted(path))
        monitor = ThreadMonitor(OFFERED)
        burn_python(0.05)
        use = watched(monitor)
    (below,) = [thread for thread in use.threads if thread.process == pid]
    assert use.wanted(below) == pytest.approx(1.0)


def test_a_thread_of_python_is_told_from_others_and_one_that_sleeps_wants_nothing() -> None:
    asleep = Event()
    sleeper = Thread(target=asleep.wait)
    sleeper.start()
    with companion() as busy:
        monitor = ThreadMonitor(OFFERED)
        burn_cpu(0.1)
        use = watched(monitor)
    asleep.set()
    sleeper.join()

    numbers = {thread.number: thread for thread in use.threads}
    assert busy.native_id in numbers
    assert numbers[busy.native_id].runs_python
    assert sleeper.native_id not in numbers
    assert use.cores == len(OFFERED) or use.quota_cores


def test_a_run_of_a_thread_is_what_it_had_of_a_processor() -> None:
    with thread_run() as run:
        burn_python(0.02)

    assert run.ran_s >= 0.02
    assert run.took_s >= run.ran_s
    assert run.waited_s >= 0


def test_time_in_which_a_group_stood_still_is_read_of_both_versions(tmp_path: Path) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("4:cpu,cpuacct:/box\n0::/job/step\n")
    version_1, version_2 = tmp_path / "sys/fs/cgroup/cpu,cpuacct/box", tmp_path / "sys/fs/cgroup/job"
    assert stopped_s(tmp_path) == 0.0
    version_1.mkdir(parents=True)
    (version_1 / "cpu.stat").write_text("nr_periods 9\nnr_throttled 3\nthrottled_time 1500000000\n")
    assert stopped_s(tmp_path) == pytest.approx(1.5)
    version_2.mkdir(parents=True)
    (version_2 / "cpu.stat").write_text("usage_usec 7\nthrottled_usec 2500000\n")
    assert stopped_s(tmp_path) == pytest.approx(2.5)


# --- where a thread is


def show() -> None:
    burn_python(0.1)


def test_a_thread_is_met_in_the_function_of_its_own_file_and_in_what_that_calls() -> None:
    with sampled(lambda frame: frame.f_code.co_name.startswith("test_")) as samples:
        show()

    place = samples.places()[0]
    assert (place.function, place.file, place.calls) == ("show", Path(__file__).name, "feedrate")
    assert place.line == show.__code__.co_firstlineno + 1
    assert place.share > 0.5


def test_looks_at_all_threads_name_the_one_that_is_at_work_and_none_that_waits() -> None:
    looks, asleep = ThreadLooks(), Event()
    sleeper = Thread(target=asleep.wait)
    sleeper.start()
    with companion() as busy:
        for _ in range(20):
            burn_cpu(0.002)
            looks.add()
    asleep.set()
    sleeper.join()

    place = looks.place(busy.ident)
    assert place is not None
    assert (place.function, place.file) in (
        ("burn_cpu", "synthetic_load.py"), ("companion.compute", Path(__file__).name),
    )  # fmt: skip
    assert looks.place(sleeper.ident) is None

"""Caps of thread pools, and processes that are counted or asked for their stacks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from feedrate.system.procfs import alive
from feedrate.system.signals import dump_stacks, end_of, signal_name
from feedrate.system.threadpools import caps, one_thread_each


@pytest.mark.process
def test_caps_reach_every_pool_of_a_fresh_interpreter() -> None:
    names = ("torch_threads", "arrow_cpu_threads", "arrow_io_threads")
    code = f"from feedrate.system.threadpools import pools; seen = pools(); print(*(seen[name] for name in {names}))"
    answer = subprocess.run(
        [sys.executable, "-c", code], env=dict(os.environ) | caps(1), check=True, capture_output=True, text=True
    )
    assert answer.stdout.split() == ["1", "1", "1"]


def test_the_environment_is_as_before_after_workers_have_started() -> None:
    before = dict(os.environ)
    with one_thread_each():
        assert os.environ["OMP_NUM_THREADS"] == "1"
    assert dict(os.environ) == before


@pytest.mark.process
def test_only_processes_that_run_count_as_alive() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    assert alive([os.getpid(), ended.pid]) == 1
    ended.wait()
    assert alive([ended.pid]) == 0


LISTENING = """
import faulthandler, signal, sys, time
file = open(sys.argv[1], "w")
faulthandler.register(signal.SIGUSR1, file)
print("ready", flush=True)
signal.sigtimedwait([signal.SIGTERM], 60)
"""


@pytest.mark.process
def test_stacks_are_asked_only_of_those_that_know_how(tmp_path: Path) -> None:
    file = tmp_path / "stacks.txt"
    listening = subprocess.Popen([sys.executable, "-c", LISTENING, file], stdout=subprocess.PIPE)
    deaf = subprocess.Popen(["sleep", "60"])
    with listening, deaf:
        assert listening.stdout is not None
        listening.stdout.readline()
        dump_stacks([listening.pid, deaf.pid])
        while not file.read_text():
            assert listening.poll() is None
        assert deaf.poll() is None
        listening.kill()
        deaf.kill()
    assert "most recent call first" in file.read_text()


def test_every_signal_has_a_name() -> None:
    names = [signal_name(number) for number in range(1, signal.SIGRTMAX + 1)]
    assert names[8] == "SIGKILL"
    assert names[39] == f"SIGRTMIN+{40 - signal.SIGRTMIN}"
    assert len(set(names)) == len(names)


def test_the_end_of_a_process_is_a_signal_or_a_status() -> None:
    assert end_of(-signal.SIGABRT) == "was ended by SIGABRT"
    assert end_of(3) == "ended with status 3"

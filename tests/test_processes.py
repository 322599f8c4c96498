"""Worker processes: caps, seeds and counting."""

from __future__ import annotations

import os
import subprocess
import sys

from feedrate.processes import alive, caps, one_thread_each, seed_32


def test_caps_reach_every_pool_of_a_fresh_interpreter() -> None:
    names = ("torch_threads", "arrow_cpu_threads", "arrow_io_threads")
    code = f"from feedrate.processes import pools; seen = pools(); print(*(seen[name] for name in {names}))"
    answer = subprocess.run(
        [sys.executable, "-c", code], env=dict(os.environ) | caps(1), check=True, capture_output=True, text=True
    )
    assert answer.stdout.split() == ["1", "1", "1"]


def test_the_environment_is_as_before_after_workers_have_started() -> None:
    before = dict(os.environ)
    with one_thread_each():
        assert os.environ["OMP_NUM_THREADS"] == "1"
    assert dict(os.environ) == before


def test_seeds_of_workers_stay_apart_in_32_bits() -> None:
    base = (1 << 64) - 3
    seeds = [seed_32(base + worker) for worker in range(8)]
    assert len(set(seeds)) == 8
    assert all(0 <= seed < 1 << 32 for seed in seeds)


def test_only_processes_that_run_count_as_alive() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    assert alive([os.getpid(), ended.pid]) == 1
    ended.wait()
    assert alive([ended.pid]) == 0

"""What a step of a script is busy with shows in its profile: Python, operators, or nothing of both."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
import torch

from feedrate.diagnosis.causes import is_python
from feedrate.metering.script.batches import ReadyBatches
from feedrate.metering.script.epochs import Epochs
from feedrate.metering.script.rounds import Loop
from feedrate.metering.script.step_profile import step_profile
from feedrate.records.step_profile import StepProfile

pytestmark = pytest.mark.process

TRIES = 5
MATRIX = torch.ones(400, 400)


def profiled(step: Callable[[], object], folder: Path, every: int = 1) -> StepProfile | None:
    """The profile of a loop that does so in each step."""
    ready = ReadyBatches(1 << 20)
    ready.keep(torch.zeros(8))
    loop = Loop(Epochs(lambda: iter(()), iter(()), None), ready, lambda: None, lambda: 0, every, 0)
    left: list[StepProfile | None] = []

    def served(batches: Generator[torch.Tensor, None, StepProfile | None]) -> Iterator[torch.Tensor]:
        left.append((yield from batches))

    for _ in served(step_profile(loop, "cpu", folder)):
        step()
    return left[0]


def test_a_step_that_computes_in_python_is_in_python(tmp_path: Path) -> None:
    def step() -> None:
        # Too small for a pool of threads, which would be waited for.
        torch.ones(8).sum()
        sum(number * number for number in range(50_000))

    # What others on the machine take from a thread may look as if it slept.
    profiles = (profiled(step, tmp_path) for _ in range(TRIES))
    profile = next((profile for profile in profiles if profile is not None and is_python(profile)), None)
    assert profile is not None
    assert profile.operators_per_step == pytest.approx(2)


@pytest.mark.parametrize("every", [1, 3])
def test_a_step_of_operators_is_in_them_and_counted_for_one_batch(tmp_path: Path, every: int) -> None:
    def step() -> None:
        for _ in range(5):
            MATRIX @ MATRIX

    profile = profiled(step, tmp_path, every)
    assert profile is not None
    assert not is_python(profile)
    assert profile.operators_per_step == pytest.approx(5)
    assert profile.dtype == "fp32"
    assert profile.operators_s is not None
    assert profile.python is not None
    assert profile.operators_s > profile.python.ran_s


def test_a_step_that_sleeps_is_in_neither(tmp_path: Path) -> None:
    profile = profiled(lambda: time.sleep(0.01), tmp_path)
    assert profile is not None
    assert not is_python(profile)
    assert profile.operators_s == 0.0


def test_a_script_that_profiles_itself_is_left_alone(tmp_path: Path) -> None:
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]):
        assert profiled(lambda: None, tmp_path) is None

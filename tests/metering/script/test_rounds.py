"""The three times of a loop are those that it has: a clock that only loader and step move tells them exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf

import numpy as np
import pytest
import torch

from feedrate.metering import pace_log
from feedrate.metering.budget import MeasurementBudget
from feedrate.metering.phase_clock import PhaseClock
from feedrate.metering.script import epochs, rounds
from feedrate.metering.script.batches import ReadyBatches
from feedrate.metering.script.epochs import Epochs
from feedrate.metering.script.rounds import Loop, ScriptRounds
from feedrate.records.window import mean_sample_s
from feedrate.records.window_estimates import ratio_is_within

AHEAD = 2


@dataclass
class Clock:
    """Seconds, as loader and step say."""

    s: float = 0.0

    def advance(self, seconds: float) -> None:
        self.s += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (rounds, epochs, pace_log):
        monkeypatch.setattr(module, "now_s", lambda: clock.s)
    return clock


@dataclass
class OnDemand:
    """An epoch whose batches are fetched when they are asked for."""

    clock: Clock
    sizes: tuple[int, ...]
    sample_s: float

    def __call__(self) -> Iterator[torch.Tensor]:
        for size in self.sizes:
            self.clock.advance(self.sample_s * size)
            yield torch.zeros(size)


@dataclass
class ByWorker:
    """An epoch that a worker fetches, two batches ahead, after it has begun."""

    clock: Clock
    sizes: tuple[int, ...]
    sample_s: float
    begin_s: float = 0.0

    def __call__(self) -> Iterator[torch.Tensor]:
        free_s, ready_s, taken_s = self.clock.s + self.begin_s, list[float](), list[float]()
        for number, size in enumerate(self.sizes):
            while len(ready_s) < min(number + AHEAD + 1, len(self.sizes)):
                # A place in the queue is free once the batch so far before it was taken.
                place_s = taken_s[len(ready_s) - AHEAD] if len(ready_s) >= AHEAD and taken_s else -inf
                free_s = max(free_s, place_s) + self.sample_s * self.sizes[len(ready_s)]
                ready_s.append(free_s)
                if len(ready_s) >= AHEAD + number:
                    break
            self.clock.advance(max(0.0, ready_s[number] - self.clock.s))
            taken_s.append(self.clock.s)
            yield torch.zeros(size)


def measured_ms(
    clock: Clock, begin: Callable[[], Iterator[torch.Tensor]], step_s: Callable[[int], float], length: int, **loop: int
) -> tuple[float, float, float]:
    """T_F, T_S and T_L of a batch of mean size, in milliseconds."""
    served = timed(clock, begin, step_s, length, **loop)
    times = served.times()
    full, step, loader = (
        mean_sample_s(windows) * served.batch_samples * 1000
        for windows in (times.full_windows, times.step_windows, times.loader_windows)
    )
    return full, step, loader


def timed(
    clock: Clock, begin: Callable[[], Iterator[torch.Tensor]], step_s: Callable[[int], float], length: int, **loop: int
) -> ScriptRounds:
    """Rounds of such a loop, all of them served."""
    stream = Epochs(begin, begin(), length)
    settings = {"updates_every": 1, "ahead": AHEAD if isinstance(begin, ByWorker) else 0} | loop
    served = ScriptRounds(
        Loop(stream, ReadyBatches(1 << 20), lambda: None, lambda: 0, settings["updates_every"], settings["ahead"]),
        MeasurementBudget(4.0),
        PhaseClock(),
    )
    for number, batch in enumerate(served.serve(), 1):
        updates = settings["updates_every"] > 1 and number % settings["updates_every"] == 0
        clock.advance(step_s(len(batch)) * (3 if updates else 1))
    return served


def test_one_after_the_other(clock: Clock) -> None:
    on_demand = OnDemand(clock, (8,) * 20, 0.02 / 8)
    assert measured_ms(clock, on_demand, lambda size: 0.01, 20) == pytest.approx((30, 10, 20), rel=0.01)


@pytest.mark.parametrize(("step_ms", "full_ms"), [(10, 20), (20, 20), (40, 40)])
def test_a_worker_beside_the_step(clock: Clock, step_ms: float, full_ms: float) -> None:
    by_worker = ByWorker(clock, (8,) * 200, 0.02 / 8)
    times = measured_ms(clock, by_worker, lambda size: step_ms / 1000, 200)
    assert times == pytest.approx((full_ms, step_ms, 20), rel=0.03)


@pytest.mark.parametrize(("step_ms", "full_ms"), [(10, 71), (19, 71.9), (40, 92)])
def test_a_worker_that_begins_again_each_epoch(clock: Clock, step_ms: float, full_ms: float) -> None:
    # Half a second, ten batches, and the step of the last, beside which nothing is fetched; or ten steps.
    by_worker = ByWorker(clock, (8,) * 10, 0.02 / 8, begin_s=0.5)
    times = measured_ms(clock, by_worker, lambda size: step_ms / 1000, 10)
    assert times == pytest.approx((full_ms, step_ms, 70), rel=0.01)


@pytest.mark.parametrize("length", [2, 5, 10, 11])
def test_a_smaller_last_batch_counts_for_its_share(clock: Clock, length: int) -> None:
    sizes = (8,) * (length - 1) + (2,)
    mean = sum(sizes) / length
    # What a step costs may follow the samples, or not at all.
    for step_s in (lambda size: 0.001 * size, lambda size: 0.007):
        step_ms = 1000 * sum(map(step_s, sizes)) / length
        times = measured_ms(clock, OnDemand(clock, sizes, 0.002), step_s, length)
        assert times == pytest.approx((2 * mean + step_ms, step_ms, 2 * mean), rel=0.05)


def test_gradients_that_are_added_up(clock: Clock) -> None:
    on_demand = OnDemand(clock, (8,) * 21, 0.02 / 8)
    times = measured_ms(clock, on_demand, lambda size: 0.01, 21, updates_every=4)
    assert times == pytest.approx((35, 15, 20), rel=0.01)


def test_a_batch_that_does_not_tell_its_samples_is_one(clock: Clock) -> None:
    class Opaque(list[object]):
        pass

    def begin() -> Iterator[object]:
        for _ in range(20):
            clock.advance(0.02)
            yield Opaque([object()] * 3)

    times = measured_ms(clock, begin, lambda size: 0.01, 20)  # type: ignore[arg-type]
    assert times == pytest.approx((30, 10, 20), rel=0.01)


@pytest.mark.parametrize(("noise", "least", "most"), [(0.0, 12, 12), (0.15, 13, 35), (2.0, 36, 36)])
def test_rounds_go_on_until_both_ceilings_are_known(clock: Clock, noise: float, least: int, most: int) -> None:
    rng = np.random.default_rng(7)

    def step_s(size: int) -> float:
        del size
        return 0.02 * (1 + noise * rng.exponential())

    served = timed(clock, OnDemand(clock, (8,) * 50, 0.02 / 8), step_s, 50)
    times = served.times()
    assert least <= len(times.full_windows) <= most
    assert len(times.full_windows) == len(times.step_windows) == len(times.loader_windows)
    assert len(times.full_windows) % 2 == 0
    if most < 36:
        assert ratio_is_within(times.full_windows, times.step_windows, 0.01)
        assert ratio_is_within(times.full_windows, times.loader_windows, 0.01)

"""Correct window times for batch size: fit `time = c + k * samples`, and rescale to the epoch's mean batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from feedrate.records.ladder import Delayed, Ladder, Rung
from feedrate.records.measurement import Measurement
from feedrate.records.window import Window

__all__ = ["Replicate", "correct_for_batch_size"]

Replicate: TypeAlias = tuple[Measurement, Ladder]
"""What one process measured, and how it came apart."""
_Work: TypeAlias = Literal["step", "loader", "both"]
"""What windows timed: the step on ready batches, the loader alone, or both together."""
_Rescale: TypeAlias = Callable[[Window], Window]

_NEAR_MEAN = 0.25
"""Share of the mean size by which batches may differ before their windows are corrected."""
_FIXED_SHARES = tuple(0.05 * number for number in range(81))
"""Fixed costs that are tried, in the cost of a mean batch's samples: from nothing to four times as much."""
_ON_READY_BATCHES = ("R0", "R1")
"""Rungs whose step trains on batches that are ready."""


def correct_for_batch_size(replicates: Sequence[Replicate]) -> tuple[Replicate, ...]:
    """The replicates of one cell, their windows as long as with batches of the mean size of an epoch.

    Seconds a batch are taken to be proportional to c + n, n its samples. One c, by least squares of logarithms over all
    replicates, for each of: the step on ready batches, the loader alone, both together. Windows are compared with
    others of the same rung and process only.
    """
    mean_size = replicates[0][0].batch_samples
    groups = [group for replicate in replicates for group in _groups(*replicate)]
    sizes = [_batch_size(window) for group in groups for window in group.windows]
    if not mean_size or not sizes or max(abs(size - mean_size) for size in sizes) <= _NEAR_MEAN * mean_size:
        return tuple(replicates)
    step, loader, both = (
        _rescaled_to(mean_size, _fit_fixed_cost([g.windows for g in groups if g.work == work], mean_size))
        for work in ("step", "loader", "both")
    )
    return tuple((_measurement(m, step, loader, both), _ladder(ladder, step, loader, both)) for m, ladder in replicates)


def _batch_size(window: Window) -> float:
    return window.samples / window.batches


# --- the fit


@dataclass(frozen=True)
class _Group:
    """Windows of one process in which everything but the batches was the same."""

    work: _Work
    windows: tuple[Window, ...]


def _groups(measurement: Measurement, ladder: Ladder) -> Iterator[_Group]:
    """Yield the windows of a replicate, those of the rungs that repeat a plain run together with the run's."""
    same_step, same_run = ladder.rungs.get("R0", Rung()), ladder.rungs.get("R4", Rung())
    yield _Group("step", (*measurement.step_windows, *same_step.full))
    yield _Group("step", ladder.step_beside)
    yield _Group("loader", (*measurement.loader_windows, *same_run.alone))
    yield _Group("loader", ladder.loader_beside)
    yield _Group("both", (*measurement.full_windows, *same_run.full))
    for name in ("R1", "R2", "R3", "R5"):
        rung = ladder.rungs.get(name, Rung())
        yield _Group("step" if name in _ON_READY_BATCHES else "both", rung.full)
        if name not in _ON_READY_BATCHES:
            yield _Group("loader", rung.alone)


def _fit_fixed_cost(groups: Sequence[Sequence[Window]], mean_size: float) -> float:
    """The c that makes the windows of each group agree best, in samples."""
    comparable = [windows for windows in groups if len(windows) > 1]

    def scatter(share: float) -> float:
        return sum(_scatter(windows, share * mean_size) for windows in comparable)

    return mean_size * min(_FIXED_SHARES, key=scatter)


def _scatter(windows: Sequence[Window], fixed_cost: float) -> float:
    """Squares by which the windows of one group differ, in logarithms, batches as weights."""
    costs = [(math.log(w.batch_s / (fixed_cost + _batch_size(w))), w.batches) for w in windows]
    mean = sum(cost * batches for cost, batches in costs) / sum(batches for _, batches in costs)
    return sum(batches * (cost - mean) ** 2 for cost, batches in costs)


# --- the correction


def _rescaled_to(mean_size: float, fixed_cost: float) -> _Rescale:
    def rescale(window: Window) -> Window:
        size = _batch_size(window)
        # Seconds a sample are what counts later, times the mean size.
        return replace(window, s=window.s * (fixed_cost + mean_size) / (fixed_cost + size) * size / mean_size)

    return rescale


def _measurement(measurement: Measurement, step: _Rescale, loader: _Rescale, both: _Rescale) -> Measurement:
    return replace(
        measurement,
        step_windows=tuple(map(step, measurement.step_windows)),
        loader_windows=tuple(map(loader, measurement.loader_windows)),
        full_windows=tuple(map(both, measurement.full_windows)),
    )


def _ladder(ladder: Ladder, step: _Rescale, loader: _Rescale, both: _Rescale) -> Ladder:
    def rung(name: str, measured: Rung) -> Rung:
        full = map(step if name in _ON_READY_BATCHES else both, measured.full)
        return replace(measured, full=tuple(full), alone=tuple(map(loader, measured.alone)))

    def pair(measured: Delayed) -> Delayed:
        return replace(measured, without=both(measured.without), delayed=both(measured.delayed))

    return replace(
        ladder,
        rungs={name: rung(name, measured) for name, measured in ladder.rungs.items()},
        delays={stage: tuple(map(pair, pairs)) for stage, pairs in ladder.delays.items()},
        step_beside=tuple(map(step, ladder.step_beside)),
        loader_beside=tuple(map(loader, ladder.loader_beside)),
    )

"""Windows that met batches of other sizes than an epoch has, brought to what they would have taken with its mean."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from feedrate.records.ladder import Delayed, Ladder, Rung
from feedrate.records.measurement import Measurement, Window

__all__ = ["Replicate", "correct_for_batch_size"]

Replicate: TypeAlias = tuple[Measurement, Ladder]
"""What one process measured, and how it came apart."""

Level: TypeAlias = Callable[[Window], Window]

_ALIKE = 0.25
"""Windows whose batches are all this near to the mean size stay as they are."""
_FIXED = tuple(0.05 * number for number in range(81))
"""What a batch costs whatever its size, in mean batches' worth of samples: from nothing to four times the rest."""
_TRAINED, _READY = ("R2", "R3", "R4", "R5"), ("R0", "R1")


def correct_for_batch_size(both: Sequence[Replicate]) -> tuple[Replicate, ...]:
    """The replicates of one cell, their windows as long as with batches of the mean size of an epoch.

    Seconds a batch are taken to be proportional to c + n, n its samples. One c, by least squares of logarithms over all
    replicates, for each of: the step on ready batches, the loader alone, both together. Windows are compared with
    others of the same rung and process only.
    """
    mean = both[0][0].batch_samples
    sizes = [size for one in both for _, windows in _labelled(one) for size in map(_size, windows)]
    if not mean or not sizes or max(abs(size - mean) for size in sizes) <= _ALIKE * mean:
        return tuple(both)
    ready, alone, trained = (_level(_fixed(both, kind, mean), mean) for kind in ("ready", "alone", "trained"))
    return tuple(_with(one, ready, alone, trained) for one in both)


def _level(fixed: float, mean: float) -> Level:
    def level(window: Window) -> Window:
        size = _size(window)
        # Seconds a sample are what counts later, times the mean size.
        return replace(window, s=window.s * (fixed + mean) / (fixed + size) * size / mean)

    return level


def _fixed(both: Iterable[Replicate], kind: str, mean: float) -> float:
    """The c of one kind of windows, in samples."""
    groups = [windows for one in both for found, windows in _labelled(one) if found == kind and len(windows) > 1]
    return mean * min(_FIXED, key=lambda share: sum(_scatter(windows, share * mean) for windows in groups))


def _scatter(windows: Sequence[Window], fixed: float) -> float:
    """Squares by which the windows of one group differ, in logarithms, batches as weights."""
    rates = [(math.log(one.s / one.batches / (fixed + _size(one))), one.batches) for one in windows]
    weight = sum(batches for _, batches in rates)
    centre = sum(rate * batches for rate, batches in rates) / weight
    return sum(batches * (rate - centre) ** 2 for rate, batches in rates)


def _size(window: Window) -> float:
    return window.samples / window.batches


def _labelled(one: Replicate) -> list[tuple[str, tuple[Window, ...]]]:
    """Groups of windows in which everything but the batches was the same."""
    measurement, ladder = one
    rungs: Mapping[str, Rung] = defaultdict(Rung, ladder.rungs)
    return [
        ("ready", (*measurement.step_windows, *rungs["R0"].full)),
        ("ready", rungs["R1"].full),
        ("ready", ladder.step_beside),
        ("alone", (*measurement.loader_windows, *rungs["R4"].alone)),
        *(("alone", rungs[name].alone) for name in ("R2", "R3", "R5")),
        ("alone", ladder.loader_beside),
        ("trained", (*measurement.full_windows, *rungs["R4"].full)),
        *(("trained", rungs[name].full) for name in ("R2", "R3", "R5")),
    ]


def _with(one: Replicate, ready: Level, alone: Level, trained: Level) -> Replicate:
    measurement, ladder = one
    levels = {name: ready if name in _READY else trained for name in (*_READY, *_TRAINED)}
    return (
        replace(
            measurement,
            step_windows=tuple(map(ready, measurement.step_windows)),
            loader_windows=tuple(map(alone, measurement.loader_windows)),
            full_windows=tuple(map(trained, measurement.full_windows)),
        ),
        replace(
            ladder,
            rungs={
                name: replace(rung, full=tuple(map(levels[name], rung.full)), alone=tuple(map(alone, rung.alone)))
                for name, rung in ladder.rungs.items()
            },
            delays={
                stage: tuple(Delayed(pair.delay_s, trained(pair.without), trained(pair.delayed)) for pair in pairs)
                for stage, pairs in ladder.delays.items()
            },
            step_beside=tuple(map(ready, ladder.step_beside)),
            loader_beside=tuple(map(alone, ladder.loader_beside)),
        ),
    )

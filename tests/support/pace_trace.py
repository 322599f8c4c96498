"""A machine that others use, too, recorded step by step: windows that were timed on it, and what they should say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from feedrate.records.window import Window

__all__ = ["FULL_S", "LOADER_S", "STEP_S", "Cell", "PaceTrace"]

FULL_S, STEP_S, LOADER_S = 0.0125, 0.010, 0.004
"""True seconds a batch, at the machine's mean pace, of the cells that are made up."""
_FIXTURES = Path(__file__).parents[1] / "records"
_RATIO = 1.028
_PHASE_S = 0.4
"""Of each of the three times, as by default."""
_DISCARD_S = 0.01
_BATCHES = 100


@dataclass(frozen=True)
class Cell:
    """Windows of one process."""

    full: tuple[Window, ...]
    step: tuple[Window, ...]
    loader: tuple[Window, ...]


@dataclass(frozen=True)
class PaceTrace:
    """What so much work took on that machine, wherever one begins."""

    wall_s: np.ndarray
    """Seconds from the start, after each step."""
    work_s: np.ndarray
    """The same, had each step taken the mean of all."""

    @classmethod
    def load(cls, name: str) -> PaceTrace:
        """Read a trace of tests/records, `pace_NAME.npz`; its `how` says where it comes from."""
        with np.load(_FIXTURES / f"pace_{name}.npz") as stored:
            step_s = float(stored["shortest_s"]) * _RATIO ** stored["steps"].astype(float)
        wall_s = np.concatenate([[0.0], np.cumsum(step_s)])
        return cls(wall_s, np.linspace(0.0, wall_s[-1], len(wall_s)))

    def paired(self, rng: np.random.Generator, rounds: int) -> Cell:
        """Draw a cell that is timed by turns, F S L, L S F, from anywhere in the trace."""
        order = [kind for number in range(rounds) for kind in ("FSL" if number % 2 == 0 else "LSF")]
        return self._cell(rng, order, _PHASE_S / rounds)

    def in_blocks(self, rng: np.random.Generator, windows: int) -> Cell:
        """Draw a cell whose kinds are timed one after the other, half of the step before and half after the rest."""
        half = "S" * (windows // 2)
        return self._cell(rng, [*half, *"L" * windows, *"F" * windows, *half], _PHASE_S / windows)

    def _cell(self, rng: np.random.Generator, order: list[str], window_s: float) -> Cell:
        timed = dict[str, list[Window]](F=[], S=[], L=[])
        true_s = {"F": FULL_S, "S": STEP_S, "L": LOADER_S}
        for kind, slowness in zip(order, self._slowness(rng, order, window_s), strict=True):
            timed[kind].append(Window(slowness * _BATCHES * true_s[kind], _BATCHES, _BATCHES))
        return Cell(*(tuple(timed[kind]) for kind in "FSL"))

    def _slowness(self, rng: np.random.Generator, order: list[str], window_s: float) -> Iterator[float]:
        """Yield what each window took, in what it would have taken at the mean pace."""
        length_s = len(order) * (window_s + _DISCARD_S)
        work_s, before = rng.uniform(0.0, self.work_s[-1] - length_s), ""
        for kind in order:
            work_s += _DISCARD_S * (kind != before)
            start_s, end_s = np.interp([work_s, work_s + window_s], self.work_s, self.wall_s)
            yield float(end_s - start_s) / window_s
            work_s, before = work_s + window_s, kind

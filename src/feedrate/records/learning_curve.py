"""Tell four shapes of a short training apart: degenerate, no information, overfitting and healthy."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from feedrate.records.training_health import VARIES

__all__ = ["LearningCurve", "Shape"]

Shape: TypeAlias = Literal["degenerate", "no information", "overfitting", "healthy"]

_SURE = 3.0
"""Standard errors from which a difference is none of chance, though the lowest of several looks is taken."""
_RISE = 0.1
"""Share of what a held-out loss had fallen by, from which its rise is worth a word."""
_CHANCE = 0.05
"""How often a model that knows nothing is at most taken for one that does."""
_TENTHS = 10


@dataclass(frozen=True)
class LearningCurve:
    """Hold the losses of a short training, and those of batches that it has not met."""

    training: tuple[float, ...]
    """(U,) loss of each update."""
    looks: tuple[int, ...]
    """(K,) updates made before each look at the held-out batches: none, then evenly to U."""
    held_out: tuple[tuple[float, ...], ...]
    """(K, M) loss of each held-out batch at each look."""
    scrambled: tuple[float, ...]
    """(P,) mean held-out loss at the end, answers given to other samples of their batch at random, P times."""
    deviation: float
    """At the end, on held-out batches: the largest standard deviation over samples of any output, or, where the
    workload names its targets, the least of any of their columns as a share of its target's."""
    correlation: float | None = None
    """At the end, on held-out batches: mean information coefficient of all columns; None: there are no targets."""
    samples: int = 0
    """Trained on, each once in an epoch."""
    held_out_samples: int = 0

    @property
    def shape(self) -> Shape:
        """Tell the shape.

        Degenerate: outputs do not vary. Overfitting: the training loss falls while that of held-out batches rises, or
        is the higher one and knows nothing of its samples. No information: the held-out loss is no lower than with
        answers that are given to other samples. Healthy: none of these.
        """
        if self.deviation <= VARIES:
            return "degenerate"
        if self._falls and (self._rises or (not self.is_informed and self._gapes)):
            return "overfitting"
        return "healthy" if self.is_informed else "no information"

    @property
    def ends(self) -> tuple[float, float]:
        """Give the mean training loss of the first tenth of the updates and of the last."""
        tenth = self._tenth
        return statistics.fmean(self.training[:tenth]), statistics.fmean(self.training[-tenth:])

    @property
    def held_out_means(self) -> tuple[float, ...]:
        """(K,) mean loss of the held-out batches at each look."""
        return tuple(statistics.fmean(losses) for losses in self.held_out)

    @property
    def chance(self) -> float:
        """Give how often answers to other samples do at least as well: a permutation test.

        Source: Phipson and Smyth, "Permutation p-values should never be zero", 2010.
        """
        end = self.held_out_means[-1]
        # As good as equal is equal: a sum of floats in another order differs in its last digits.
        as_good = sum(loss <= end + 1e-6 * abs(end) for loss in self.scrambled)
        return (1 + as_good) / (1 + len(self.scrambled))

    @property
    def is_informed(self) -> bool:
        """Tell whether answers belong to their samples beyond what chance gives."""
        return self.chance <= _CHANCE

    @property
    def _tenth(self) -> int:
        return max(2, len(self.training) // _TENTHS)

    @property
    def _falls(self) -> bool:
        tenth = self._tenth
        return _is_above(self.training[:tenth], self.training[-tenth:])

    @property
    def _gapes(self) -> bool:
        """Whether held-out batches end higher than those of the last updates."""
        return _is_above(self.held_out[-1], self.training[-self._tenth :])

    @property
    def _rises(self) -> bool:
        """Whether the held-out loss is higher in the end than it was, batch by batch, and by more than a trifle."""
        means = self.held_out_means
        best = means.index(min(means))
        rise = means[-1] - means[best]
        climbs = [end - low for end, low in zip(self.held_out[-1], self.held_out[best], strict=True)]
        return rise > _RISE * (means[0] - means[best]) and rise > _SURE * _error(climbs)


def _is_above(higher: Sequence[float], lower: Sequence[float]) -> bool:
    difference = statistics.fmean(higher) - statistics.fmean(lower)
    return difference > _SURE * math.hypot(_error(higher), _error(lower))


def _error(values: Sequence[float]) -> float:
    """Give the standard error of a mean; without end of a single value."""
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.inf

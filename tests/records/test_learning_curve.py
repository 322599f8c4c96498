"""Four shapes of a short training are told apart: simulated curves, each beside the twin that lacks what ails it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from feedrate.records.learning_curve import LearningCurve, Shape

UPDATES, BATCHES, LOOKS = 200, 12, 11
DRAWS = 40
"""Curves of each shape: what is told must not hang on one of them."""


def simulated(
    seed: int,
    *,
    training: tuple[float, float],
    held_out: tuple[float, ...],
    scrambled: float,
    deviation: float = 0.5,
) -> LearningCurve:
    """A curve with noise: the training loss falls as an exponential, the held-out one runs through `held_out`.

    `scrambled`: by how much answers to other samples are worse than those to their own.
    """
    draws = np.random.default_rng(seed)
    first, last = training
    falls = last + (first - last) * np.exp(-np.arange(UPDATES) / (UPDATES / 6))
    of_batches = draws.normal(0, 0.05, BATCHES)
    course = np.interp(np.linspace(0, 1, LOOKS), np.linspace(0, 1, len(held_out)), held_out)
    losses = course[:, None] + of_batches + draws.normal(0, 0.01, (LOOKS, BATCHES))
    return LearningCurve(
        training=tuple(falls + draws.normal(0, 0.05, UPDATES)),
        looks=tuple(np.linspace(0, UPDATES, LOOKS).astype(int).tolist()),
        held_out=tuple(map(tuple, losses.tolist())),
        scrambled=tuple(losses[-1].mean() + scrambled + draws.normal(0, 0.01, 99)),
        deviation=deviation,
        correlation=0.4,
        samples=1_536,
        held_out_samples=512,
    )


def healthy(seed: int) -> LearningCurve:
    return simulated(seed, training=(1, 0.3), held_out=(1, 0.5, 0.38, 0.35), scrambled=0.3)


def degenerate(seed: int) -> LearningCurve:
    """Whatever is asked, the same is said: nothing falls, and it does not matter whose answer it is."""
    flat = simulated(seed, training=(1, 1), held_out=(1, 1), scrambled=0, deviation=0)
    return replace(flat, scrambled=(flat.held_out_means[-1],) * 99, correlation=None)


def uninformed(seed: int) -> LearningCurve:
    """It learns the mean, and no more: both losses come to the same level, in whatever order answers are given."""
    return simulated(seed, training=(1, 0.5), held_out=(1, 0.6, 0.5, 0.5), scrambled=0)


def overfitted(seed: int) -> LearningCurve:
    return simulated(seed, training=(1, 0.1), held_out=(1, 0.45, 0.6, 0.75), scrambled=0.3)


def memorised(seed: int) -> LearningCurve:
    """It knows what it has met, and of other samples nothing, but no worse than at first."""
    return simulated(seed, training=(1, 0.1), held_out=(1, 0.9, 0.9), scrambled=0)


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (healthy, "healthy"),
        (degenerate, "degenerate"),
        (uninformed, "no information"),
        (overfitted, "overfitting"),
        (memorised, "overfitting"),
    ],
)
def test_a_simulated_curve_is_called_what_it_is(make: Callable[[int], LearningCurve], shape: Shape) -> None:
    told = [make(seed).shape for seed in range(DRAWS)]
    # Of 99 answers at random, as many as one in twenty know nothing and are taken for knowing something.
    allowed = DRAWS // 8 if shape == "no information" or make is memorised else 0
    assert sum(other != shape for other in told) <= allowed


def test_the_twin_of_a_degenerate_curve_only_varies() -> None:
    assert replace(degenerate(0), deviation=0.1).shape == "no information"


def test_the_twin_of_an_uninformed_curve_knows_whose_answer_is_whose() -> None:
    curve = uninformed(0)
    assert replace(curve, scrambled=tuple(loss + 0.3 for loss in curve.scrambled)).shape == "healthy"


def test_the_twin_of_an_overfitted_curve_was_ended_in_time() -> None:
    curve = overfitted(0)
    lowest = curve.held_out_means.index(min(curve.held_out_means))
    early = replace(
        curve,
        training=curve.training[: curve.looks[lowest]],
        looks=curve.looks[: lowest + 1],
        held_out=curve.held_out[: lowest + 1],
        scrambled=tuple(curve.held_out_means[lowest] + 0.3 for _ in curve.scrambled),
    )
    assert early.shape == "healthy"


def test_a_held_out_loss_that_rises_by_a_trifle_is_healthy() -> None:
    curve = simulated(3, training=(1, 0.3), held_out=(1, 0.5, 0.35, 0.36), scrambled=0.3)
    assert curve.shape == "healthy"

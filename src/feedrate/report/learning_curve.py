"""Say in a line what shape the curve of a short training has, and by which numbers."""

from __future__ import annotations

from collections.abc import Mapping

from feedrate.formatting import number
from feedrate.records.learning_curve import LearningCurve, Shape

__all__ = ["curve_line"]

_MEANINGS: Mapping[Shape, str] = {
    "degenerate": " (it says the same of every sample)",
    "no information": " (with its answers given to other samples it does as well)",
    "overfitting": "",
    "healthy": "",
}


def curve_line(curve: LearningCurve) -> str:
    """Give the shape, the losses that it rests on, and how much was trained on."""
    first, last = curve.ends
    means = curve.held_out_means
    lowest = min(means)
    turns = curve.shape == "overfitting" and lowest < means[-1]
    turned = f" by way of {number(lowest)} after {curve.looks[means.index(lowest)]}" if turns else ""
    correlation = "" if curve.correlation is None else f", IC {curve.correlation:.2f}"
    return (
        f"{curve.shape}{_MEANINGS[curve.shape]}: training loss {number(first)} to {number(last)},"
        f" held out {number(means[0])} to {number(means[-1])}{turned}{correlation};"
        f" {len(curve.training)} updates on {curve.samples:,} samples, {curve.held_out_samples:,} held out"
    )

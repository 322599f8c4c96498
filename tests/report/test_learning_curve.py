"""What is said of the curve of a short training."""

from __future__ import annotations

from dataclasses import replace

from feedrate.records.learning_curve import LearningCurve
from feedrate.report.learning_curve import curve_line

OVERFITTED = LearningCurve(
    training=(1.0, 1.01, *(0.5 for _ in range(16)), 0.1, 0.11),
    looks=(0, 10, 20),
    held_out=((1.0, 1.1), (0.4, 0.5), (0.7, 0.81)),
    scrambled=(2.0,) * 99,
    deviation=0.5,
    correlation=0.4,
    samples=1_536,
    held_out_samples=512,
)


def test_a_line_has_the_shape_and_what_it_rests_on() -> None:
    assert curve_line(OVERFITTED) == (
        "overfitting: training loss 1.00 to 0.105, held out 1.05 to 0.755 by way of 0.450 after 10, IC 0.40;"
        " 20 updates on 1,536 samples, 512 held out"
    )


def test_of_a_model_without_targets_there_is_no_correlation_and_of_one_that_does_not_turn_no_lowest_loss() -> None:
    line = curve_line(replace(OVERFITTED, deviation=0.0, correlation=None))
    assert line == (
        "degenerate (it says the same of every sample): training loss 1.00 to 0.105, held out 1.05 to 0.755;"
        " 20 updates on 1,536 samples, 512 held out"
    )

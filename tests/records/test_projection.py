"""A training of any length is projected from a few batches: what goes into it, and what is left out where unknown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from feedrate.errors import UsageError
from feedrate.records.document import document
from feedrate.records.epoch_starts import EpochStarts
from feedrate.records.measurement import Measurement
from feedrate.records.projection import TrainingLength
from feedrate.records.raw_results import append, read
from feedrate.records.window import Window
from tests.support.outcomes import measurement

STARTS = EpochStarts(count=2, mean_s=3.0, spread_s=0.2, in_windows=0.0)


def known(**changes: object) -> Measurement:
    """20 ms a batch, 100 batches an epoch; the first batch takes 0.14 s, the first update 0.05 s."""
    windows = tuple(Window(s, 20, 20 * 256) for s in (0.39, 0.41, 0.41, 0.39))
    return replace(
        measurement(rounds=4, full_windows=windows, step_windows_before=windows, epoch_batches=100),
        loader_windows=windows,
        step_windows=windows,
        **changes,  # type: ignore[arg-type]
    )


def test_an_epoch_is_its_start_up_and_all_other_batches() -> None:
    projection = known().projection(TrainingLength(epochs=1))

    assert projection is not None
    assert projection.s == pytest.approx(0.14 + 0.05 + 99 * 0.020)
    assert projection.boundaries is not None, "one epoch has no beginning besides the first"
    assert projection.boundaries.mean == 0


def test_each_later_epoch_adds_its_beginning() -> None:
    projection = known(epoch_starts=STARTS).projection(TrainingLength(epochs=10))

    assert projection is not None
    assert projection.s == pytest.approx(0.14 + 0.05 + 999 * 0.020 + 9 * 3.0)
    assert projection.total.half is not None
    assert projection.steady.half is not None
    assert projection.total.half > projection.steady.half


@pytest.mark.parametrize(("steps", "later"), [(1, 0), (100, 0), (101, 1), (250, 2)])
def test_so_many_steps_have_the_beginnings_that_they_reach(steps: int, later: int) -> None:
    projection = known(epoch_starts=STARTS).projection(TrainingLength(steps=steps))

    assert projection is not None
    assert projection.s == pytest.approx(0.14 + 0.05 + (steps - 1) * 0.020 + later * 3.0)


def test_what_windows_hold_of_beginnings_is_not_counted_twice() -> None:
    met = EpochStarts(count=2, mean_s=0.2, spread_s=0.01, in_windows=2)
    measured = known(epoch_starts=met)

    # 80 batches in 1.6 s, of which two beginnings took 0.4.
    assert measured.steady_time().mean == pytest.approx(0.015)
    assert measured.epoch_s == pytest.approx(100 * 0.015 + 0.2)


def test_a_step_that_compiles_for_later_batches_too_takes_that_long_to_start() -> None:
    assert known(compile_s=7.0).start_up_s == pytest.approx(7.14)
    assert known(compile_s=0.01).start_up_s == pytest.approx(0.19)


def test_beginnings_that_nobody_met_are_left_out_and_that_is_told() -> None:
    projection = known().projection(TrainingLength(epochs=10))

    assert projection is not None
    assert projection.boundaries is None
    assert projection.as_json(TrainingLength(epochs=10))["boundaries_s"] is None
    assert projection.s == pytest.approx(0.14 + 0.05 + 999 * 0.020)


def test_a_record_of_before_projects_nothing() -> None:
    told = document(measurement(), TrainingLength(epochs=10))

    assert told["projection"] is None
    assert measurement().epoch_s is None


def test_a_record_comes_back_with_its_beginnings(tmp_path: Path) -> None:
    file = tmp_path / "raw.jsonl"
    append(file, known(epoch_starts=STARTS))

    assert list(read(file)) == [known(epoch_starts=STARTS)]


@pytest.mark.parametrize(("epochs", "steps"), [(None, None), (1, 1), (0, None), (None, -3)])
def test_a_length_is_epochs_or_steps_and_above_0(epochs: int | None, steps: int | None) -> None:
    with pytest.raises(UsageError):
        TrainingLength(epochs, steps)


def test_a_beginning_is_what_it_takes_longer_than_the_mean_of_the_others() -> None:
    others = [0.010] * 19 + [0.050]

    starts = EpochStarts.of([0.110, 0.130], others, in_windows=2)

    assert starts is not None
    assert starts.mean_s == pytest.approx(0.120 - 0.012, abs=1e-4)
    assert starts.mean.half is not None


def test_a_beginning_like_any_other_batch_adds_nothing() -> None:
    starts = EpochStarts.of([0.009], [0.010] * 8, in_windows=0)

    assert starts is not None
    assert (starts.mean_s, starts.mean.half) == (0, None)


@pytest.mark.parametrize(("starts", "others"), [([], [0.01] * 9), ([0.2], [0.01] * 3)])
def test_too_few_gaps_tell_of_no_beginning(starts: list[float], others: list[float]) -> None:
    assert EpochStarts.of(starts, others, in_windows=0) is None

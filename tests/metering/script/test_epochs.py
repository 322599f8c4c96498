"""A loader's epochs as one stream, their beginnings timed apart."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from feedrate.errors import UnavailableError
from feedrate.metering.script.epochs import Epochs, Taken
from feedrate.metering.script.rounds import StreamWindow


def slow_to_begin() -> Iterator[int]:
    time.sleep(0.02)
    yield from range(3)


def test_batches_go_on_over_the_end_of_an_epoch_and_its_beginning_is_told() -> None:
    epochs = Epochs(slow_to_begin, slow_to_begin(), None)
    assert [epochs.take() for _ in range(7)] == [0, 1, 2, 0, 1, 2, 0]
    taken = epochs.taken
    assert (taken.batches, taken.begins, epochs.length) == (7, 2, 3)
    assert taken.begin_s >= 0.04
    # The first epoch was begun by the script: what it took is no wait of ours.
    assert taken.wait_s >= 0.02


def test_a_loader_that_can_be_iterated_once_is_refused() -> None:
    epochs = Epochs(lambda: iter(()), iter([1]), None)
    epochs.take()
    with pytest.raises(UnavailableError, match="gives no batch when it is iterated again"):
        epochs.take()


def test_a_beginning_within_a_window_counts_as_often_as_an_epoch_has_one() -> None:
    # Ten batches of 10 ms, in one window with a beginning of 500 ms, in the other without.
    met = StreamWindow(9 * 0.01 + 0.5, 10, Taken(10, 0.09, 1, 0.5)).steady(0.49, 0.01, 100)
    spared = StreamWindow(10 * 0.01, 10, Taken(10, 0.1, 0, 0.0)).steady(0.49, 0.01, 100)
    assert met.s == pytest.approx(spared.s)
    assert met.s == pytest.approx(10 * 0.01 + 10 / 100 * 0.49)
    # A window of one batch, which begins an epoch.
    lone = StreamWindow(0.005 + 0.5, 10, Taken(1, 0.0, 1, 0.5)).steady(0.49, 0.01, 100)
    assert lone.s == pytest.approx(0.005 + 0.01 + 0.0049)


def test_the_length_of_an_epoch_is_what_was_seen_of_whole_ones() -> None:
    # The script took one batch, before anything was timed.
    epoch = iter(range(3))
    next(epoch)
    epochs = Epochs(lambda: iter(range(3)), epoch, None, given=1)
    assert [epochs.take() for _ in range(3)] == [1, 2, 0]
    assert epochs.length == 3
    epochs.take()
    epochs.begin_again()
    assert (epochs.take(), epochs.length, epochs.taken.begins) == (1, 3, 2)


def test_an_epoch_that_the_script_leaves_early_ends_there() -> None:
    epochs = Epochs(lambda: iter(range(3)), iter(range(3)), 3)
    epochs.break_off(2)
    assert [epochs.take() for _ in range(4)] == [0, 1, 2, 0]
    assert epochs.length == 2


def test_an_epoch_whose_end_nobody_knows_is_as_long_as_what_it_has_given() -> None:
    epochs = Epochs(lambda: iter(()), iter(range(100)), None)
    assert epochs.least_length == 1
    for _ in range(7):
        epochs.take()
    assert epochs.least_length == 7


def test_the_mean_size_of_a_batch_is_that_of_whole_epochs_whichever_batches_windows_meet() -> None:
    def ragged() -> Iterator[list[list[str]]]:
        yield from ([["a"] * size] for size in (8, 8, 8, 8, 2))

    epochs = Epochs(ragged, ragged(), 5)
    for _ in range(6):
        epochs.take()
    # The first epoch may have been begun before.
    assert epochs.mean_samples is None
    for _ in range(7):
        epochs.take()
    assert epochs.mean_samples == 6.8


class Ordered:
    """An iterator as torch has it for two workers: what is finished waits for its turn, by number."""

    _num_workers, _prefetch_factor = 2, 2

    def __init__(self, *, finished: int, in_order: bool = True) -> None:
        self._in_order = in_order
        self._task_info = {number: (0, "batch") if number < finished else (0,) for number in range(4)}

    def __iter__(self) -> Ordered:
        return self

    def __next__(self) -> int:
        time.sleep(5e-3)
        return 0


@pytest.mark.parametrize(
    ("epoch", "is_held_back"),
    [
        (Ordered(finished=2), True),
        (Ordered(finished=1), False),
        (Ordered(finished=2, in_order=False), False),
        (iter([1, 2, 3, 4]), False),
    ],
    ids=["others done", "others at work", "any order", "no workers"],
)
def test_a_wait_in_which_all_others_are_done_is_held_back_once_each_worker_is_there(
    epoch: Iterator[int], is_held_back: bool
) -> None:
    stream = Epochs(lambda: iter(()), epoch, None)
    for _ in range(2):
        stream.take()
    assert stream.held_back_s == 0.0
    stream.take()
    assert (stream.held_back_s > 0) == is_held_back

"""A thread of a script that computes in Python beside the step is met, and one that sleeps is not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator

import pytest
import torch

from feedrate.diagnosis.causes import HeldInterpreter, causes_in
from feedrate.metering.script.batches import ReadyBatches
from feedrate.metering.script.competition import competition
from feedrate.metering.script.epochs import Epochs
from feedrate.metering.script.rounds import Loop
from feedrate.records.competition import Competition

pytestmark = pytest.mark.process

BATCH_S = 2e-3


def endless() -> Iterator[torch.Tensor]:
    while True:
        time.sleep(BATCH_S)
        yield torch.zeros(8)


def trained(batches: Generator[torch.Tensor, None, Competition]) -> Competition:
    """What is left when a loop has had all its batches."""
    left: list[Competition] = []

    def served() -> Iterator[torch.Tensor]:
        left.append((yield from batches))

    for batch in served():
        batch.sum()
    return left[0]


def watched(beside: Callable[[], object]) -> Competition:
    """What a loop does beside a thread that calls something again and again."""
    ends = threading.Event()

    def work() -> None:
        while not ends.is_set():
            beside()

    thread = threading.Thread(target=work, name="beside")
    thread.start()
    batches = competition(Loop(Epochs(endless, endless(), None), ReadyBatches(1 << 20), lambda: None, lambda: 0, 1, 0))
    try:
        return trained(batches)
    finally:
        ends.set()
        thread.join()


def test_a_thread_that_computes_in_python_holds_the_interpreter() -> None:
    (cause,) = causes_in(watched(lambda: sum(number * number for number in range(10_000))), BATCH_S)
    assert isinstance(cause.facts, HeldInterpreter)
    assert cause.facts.thread == "beside"


def test_a_thread_that_sleeps_holds_nothing() -> None:
    assert causes_in(watched(lambda: time.sleep(1e-3)), BATCH_S) == ()

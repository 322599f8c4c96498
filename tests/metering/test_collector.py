"""The collector's work is seen, and what only it frees is counted and freed."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch

from feedrate.metering.ablation.collector import CollectorWatch, count_cycles, tracked_types


class Circle:
    def __init__(self, outputs: object) -> None:
        self.outputs = outputs
        self.self = self


@pytest.mark.slow
def test_tensors_and_bytes_in_circles_are_counted_once_and_freed() -> None:
    def work(batches: int) -> int:
        for _ in range(batches):
            outputs = torch.ones(1000)
            Circle([outputs, outputs[1:], bytearray(5000)])
        return batches

    cycles = count_cycles(work, 3)

    assert 3 * 9000 <= cycles.held_bytes < 3 * 9500
    assert cycles.objects >= 6
    assert gc.isenabled()
    assert gc.garbage == []
    assert not any(type(thing) is Circle for thing in gc.get_objects())


@pytest.mark.slow
def test_what_others_refer_to_is_not_held_by_a_circle() -> None:
    kept = bytearray(100_000)

    def work(batches: int) -> int:
        for _ in range(batches):
            Circle(kept)
        return batches

    assert count_cycles(work, 3).held_bytes < 10_000
    assert count_cycles(lambda n: n, 3).objects == 0


def test_what_was_there_before_does_not_count_even_where_a_finalizer_held_it() -> None:
    earlier = Circle(None)
    weakref.finalize(earlier, len, [Circle(bytearray(1_000_000))])
    del earlier

    assert count_cycles(lambda n: n, 3).objects == 0


def test_runs_of_the_collector_are_counted_by_generation() -> None:
    watch = CollectorWatch()
    with watch.watching():
        gc.collect()
        gc.collect(0)
        gc.collect(0)
    gc.collect()

    assert watch.runs[2] == 1
    assert watch.runs[0] >= 2
    assert 0 < watch.longest_s <= watch.core_s
    watch.reset()
    assert (watch.runs, watch.core_s, watch.longest_s) == ([0, 0, 0], 0.0, 0.0)


def test_the_most_frequent_types_are_named() -> None:
    kept = [[number] for number in range(500_000)]

    assert tracked_types()["list"] >= len(kept)

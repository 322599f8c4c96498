"""The order that Rust puts samples into is the plan's own, whatever the spans, batches, seeds and epochs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import trial

from feedrate import Block, BlockOrder, Plan, Registry
from feedrate_rust_prefetch import RustPrefetch

SEEDS = (0, 1, 2**32 + 7, 2**63, 2**64 - 1)


@pytest.fixture(scope="module")
def plan(data_root: Path, registry: Registry) -> Plan:
    return trial(registry.workload("boardmoves[compression=none]"), data_root).plan


def blocks(rng: np.random.Generator, rows: int) -> tuple[Block, ...]:
    """Blocks of any size, of spans with gaps between them; a span a batch in every other, whole batches in some."""
    edges = np.unique([0, rows, *rng.integers(1, rows, 8)])
    made = []
    for start, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        cuts = np.unique(rng.integers(start, stop + 1, 6)).tolist()
        spans = tuple(zip(cuts[:-1:2], cuts[1::2], strict=False)) or ((start, stop),)
        block = Block(start, stop, spans, int(rng.integers(1, 40)) if rng.random() < 0.5 else None)
        whole = replace(block, drop_last=bool(rng.random() < 0.5))
        # One too small for any whole batch is none of a plan's.
        made.append(whole if whole.batch_count else block)
    return tuple(made)


@pytest.mark.parametrize("seed", SEEDS)
def test_samples_come_in_the_order_of_the_plan(plan: Plan, seed: int) -> None:
    rng = np.random.default_rng(17)
    for shuffle in (True, False):
        for _ in range(8):
            order = BlockOrder(blocks(rng, plan.data.rows), epochs=3, shuffle=shuffle, seed=seed)
            planned = replace(plan, order=order)
            served = [batch.ids.tolist() for batch in RustPrefetch(depth=3, readers=2).stream(planned)]
            assert served == [ids.tolist() for ids in planned]


def test_a_large_block_is_shuffled_as_a_small_one(plan: Plan) -> None:
    rows = plan.data.rows
    order = BlockOrder((Block(0, rows, ((0, rows),), rows),), epochs=40, seed=3)
    planned = replace(plan, order=order)
    served = [batch.ids.tolist() for batch in RustPrefetch().stream(planned)]
    assert served == [ids.tolist() for ids in planned]
    assert len({tuple(ids) for ids in served}) == 40


def test_a_sample_outside_its_block_is_refused_in_words(plan: Plan) -> None:
    order = BlockOrder((Block(0, 10, ((0, 11),), 4),))
    with pytest.raises(Exception, match=r"rust_prefetch: no rows 0\.\.11 among the 10 from 0"):
        list(RustPrefetch().stream(replace(plan, order=order)))

from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from feedrate.data.dataset import DataSet
from feedrate.errors import UsageError
from feedrate.loading.batch_spec import BatchSpec
from feedrate.loading.block import Block, permuted, with_batches
from feedrate.loading.order import BlockOrder
from feedrate.loading.plan import Plan
from tests.support.tables import Table

FIXED = Block(0, 30, ((0, 30),), 8), Block(30, 40, ((30, 40),), 8), Block(40, 70, ((40, 70),), 8)
# Two rows of history each, which the block before serves as samples.
PANEL = (
    Block(0, 24, ((6, 8), (12, 16), (18, 24)), None),
    Block(12, 48, ((24, 30), (30, 35), (36, 42)), None),
    Block(36, 70, ((48, 50), (60, 64)), None),
)
MIXED = tuple(Block(block.start, block.stop, block.spans, 5) for block in PANEL)
LAYOUTS = {"fixed": FIXED, "panel": PANEL, "mixed": MIXED}
WHOLE = tuple(replace(block, drop_last=True) for block in MIXED)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    return DataSet.write(tmp_path_factory.mktemp("plan") / "table", Table())


def plan_of(data: DataSet, blocks: tuple[Block, ...] = FIXED, **options: int) -> Plan:
    return Plan(data, BatchSpec(Table().fields), BlockOrder(blocks, **options))  # type: ignore[arg-type]


def ids(plan: Plan) -> list[tuple[int, ...]]:
    return [tuple(batch.tolist()) for batch in plan]


def sample_rows(blocks: tuple[Block, ...]) -> list[int]:
    return [row for block in blocks for start, stop in block.spans for row in range(start, stop)]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shuffle", [True, False])
def test_every_sample_is_served_once_an_epoch(data: DataSet, layout: str, shuffle: bool) -> None:
    blocks = LAYOUTS[layout]
    for seed in range(5):
        plan = plan_of(data, blocks, shuffle=shuffle, seed=seed)
        assert sorted(row for batch in ids(plan) for row in batch) == sorted(sample_rows(blocks))
        assert plan.samples == len(sample_rows(blocks))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_len_is_the_number_of_batches(data: DataSet, layout: str) -> None:
    for epochs in (0, 1, 3):
        for world_size in (1, 2, 3, 4):
            for rank in range(world_size):
                plan = plan_of(data, LAYOUTS[layout], epochs=epochs, rank=rank, world_size=world_size)
                assert len(plan) == len(ids(plan))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_order_follows_from_seed_and_epoch_alone(data: DataSet, layout: str) -> None:
    def of_epoch(plan: Plan, epoch: int) -> list[list[int]]:
        return [(rows + block.start).tolist() for block in plan.epoch_blocks(epoch) for rows in block.batches()]

    short, long = plan_of(data, LAYOUTS[layout], seed=5), plan_of(data, LAYOUTS[layout], seed=5, epochs=4)
    assert of_epoch(short, 3) == of_epoch(long, 3)
    assert ids(long) == [tuple(batch) for epoch in range(4) for batch in of_epoch(short, epoch)]
    assert of_epoch(short, 0) != of_epoch(short, 1)
    assert of_epoch(short, 0) != of_epoch(plan_of(data, LAYOUTS[layout], seed=6), 0)


def test_without_shuffling_samples_come_in_the_order_of_the_files(data: DataSet) -> None:
    plan = plan_of(data, FIXED, shuffle=False, epochs=2)
    assert [row for batch in ids(plan) for row in batch] == [*range(70), *range(70)]


def test_shuffling_moves_blocks_and_the_samples_inside_them(data: DataSet) -> None:
    plan = plan_of(data, FIXED, epochs=40)
    firsts = {block.start for epoch in range(40) for block in list(plan.epoch_blocks(epoch))[:1]}
    assert firsts == {0, 30, 40}
    assert any(list(batch) != sorted(batch) for batch in ids(plan))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_batch_never_crosses_a_block_and_only_its_last_one_is_short(data: DataSet, layout: str) -> None:
    for block in plan_of(data, LAYOUTS[layout]).blocks():
        batches = list(block.batches())
        assert len(batches) == block.batch_count
        inside = {row - block.start for start, stop in block.spans for row in range(start, stop)}
        assert {int(row) for rows in batches for row in rows} == inside
        if block.batch_rows is not None:
            assert {len(rows) for rows in batches[:-1]} <= {block.batch_rows}
            assert 0 < len(batches[-1]) <= block.batch_rows


def test_a_ragged_batch_is_one_day_in_its_stored_order(data: DataSet) -> None:
    days = {tuple(range(start, stop)) for block in PANEL for start, stop in block.spans}
    assert set(ids(plan_of(data, PANEL))) == days


@pytest.mark.parametrize("world_size", [2, 3, 5])
def test_ranks_share_out_the_blocks_of_an_epoch(data: DataSet, world_size: int) -> None:
    whole = list(plan_of(data, FIXED).epoch_blocks(0))
    shares = [list(plan_of(data, FIXED, rank=r, world_size=world_size).epoch_blocks(0)) for r in range(world_size)]
    assert sorted(block.start for share in shares for block in share) == [0, 30, 40]
    assert all(block in whole for share in shares for block in share)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_largest_and_the_smallest_batch_are_known_ahead(data: DataSet, layout: str) -> None:
    plan = plan_of(data, LAYOUTS[layout])
    assert plan.max_batch_rows == max(len(batch) for batch in plan)
    assert plan.min_batch_rows == min(len(batch) for batch in plan)


def test_row_numbers_are_int64(data: DataSet) -> None:
    assert {rows.dtype for layout in LAYOUTS.values() for rows in plan_of(data, layout)} == {torch.int64}


def test_a_source_reads_the_rows_of_a_block(data: DataSet, tmp_path: Path) -> None:
    plan = plan_of(data, FIXED)
    with plan.open() as source:
        for block in plan.blocks():
            columns = source.read(block)
            for rows in block.batches():
                assert torch.equal(columns.batch(rows).ids, rows + block.start)


@pytest.mark.parametrize(
    ("layout", "digest"),
    [("fixed", "16c5aa9c5cea4a81"), ("panel", "d020a975c7f049a9"), ("mixed", "a451a9765ee2076b")],
)
def test_the_order_is_the_one_that_earlier_results_were_measured_in(data: DataSet, layout: str, digest: str) -> None:
    plan = plan_of(data, LAYOUTS[layout], epochs=3, seed=11)
    assert hashlib.sha256(str([list(batch) for batch in ids(plan)]).encode()).hexdigest()[:16] == digest


@pytest.mark.parametrize("key", [(0, 0, 0), (7, 3, 2), (2**62, 1_000, 2**32 - 1)])
def test_a_shuffle_is_philoxs_under_that_key(key: tuple[int, int, int]) -> None:
    seed, epoch, number = key
    bits = np.random.Philox(key=[seed, epoch << 32 | number])
    values = np.arange(1_000)
    assert permuted(values, *key).tolist() == np.random.Generator(bits).permutation(values).tolist()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_endless_epochs_begin_like_counted_ones(data: DataSet, layout: str) -> None:
    plan = plan_of(data, LAYOUTS[layout], epochs=3)
    endless = plan.for_epochs(None)
    assert ids(plan) == [tuple(batch.tolist()) for batch in islice(endless, len(plan))]
    assert next(islice(endless.blocks(), 100, None)).batch_count > 0


def test_endless_epochs_have_no_length(data: DataSet) -> None:
    plan = plan_of(data).for_epochs(None)
    assert plan.epochs is None
    assert plan.batch_count is None
    with pytest.raises(TypeError, match="endless epochs"):
        len(plan)


def test_the_rows_of_an_epoch_are_those_that_all_epochs_hold_in_their_turn(data: DataSet) -> None:
    plan = plan_of(data, epochs=3)
    each = [tuple(batch.tolist()) for epoch in range(3) for batch in plan.epoch_ids(epoch)]
    assert each == ids(plan)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shuffle", [True, False])
def test_every_block_knows_its_number_and_every_row_its_block(data: DataSet, layout: str, shuffle: bool) -> None:
    plan = plan_of(data, LAYOUTS[layout], shuffle=shuffle)
    assert [block.number for block in plan.stored_blocks] == [0, 1, 2]
    for block in plan.blocks():
        assert plan.stored_blocks[block.number].spans == block.spans
        for rows in block.ids():
            assert set(plan.block_of(rows).tolist()) == {block.number}


def test_a_row_that_is_no_sample_has_no_block(data: DataSet) -> None:
    plan = plan_of(data, PANEL)
    # Before the first span, in a gap, after the last.
    assert plan.block_of(torch.tensor([0, 8, 48, 69])).tolist() == [-1, -1, 2, -1]


def test_only_columns_that_batches_are_cut_from_are_stored_columns(data: DataSet) -> None:
    first, second, *_ = Table().fields
    plan = Plan(data, BatchSpec((second, first)), BlockOrder(FIXED))
    assert plan.stored_columns == (first, second)
    assert plan.block_bytes(FIXED[1]) == 10 * (first.row_bytes + second.row_bytes)


def test_a_plan_for_another_device_or_cast_is_the_same_but_for_that(data: DataSet) -> None:
    plan = plan_of(data)
    other = plan.on_device("cuda").with_cast("host")
    assert (other.device, other.cast) == ("cuda", "host")
    assert other != plan
    assert other.on_device("cpu").with_cast("device") == plan


@pytest.mark.parametrize("shuffle", [True, False])
def test_of_whole_batches_alone_each_epoch_leaves_other_samples_out_if_it_is_shuffled(
    data: DataSet, shuffle: bool
) -> None:
    plan = plan_of(data, WHOLE, shuffle=shuffle, epochs=3)
    served = [[tuple(batch.tolist()) for batch in plan.epoch_ids(epoch)] for epoch in range(3)]

    for batches in served:
        rows = [row for batch in batches for row in batch]
        assert {len(batch) for batch in batches} == {5}
        assert len(rows) == len(set(rows)) == plan.samples == 5 * plan.epoch_batches < len(sample_rows(WHOLE))
        assert set(rows) < set(sample_rows(WHOLE))
    left_out = {frozenset(sample_rows(WHOLE)) - {row for batch in batches for row in batch} for batches in served}
    assert len(left_out) == (3 if shuffle else 1)
    assert (plan.min_batch_rows, plan.max_batch_rows) == (5, 5)
    assert len(plan) == 3 * plan.epoch_batches


def test_a_block_too_small_for_a_whole_batch_is_not_read_and_if_all_are_that_is_said() -> None:
    small, large = Block(0, 7, ((0, 7),), 8, drop_last=True), Block(7, 17, ((7, 17),), 8, drop_last=True)

    assert with_batches([small, large]) == (large,)
    with pytest.raises(UsageError, match=r"leaves no batch: .* the largest block has 7 rows; have smaller batches"):
        with_batches([small])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_epoch_of_a_plan_is_a_plan(data: DataSet, layout: str) -> None:
    plan = plan_of(data, LAYOUTS[layout], seed=3)
    third = plan.for_epochs(None).epoch(2)

    assert [ids.tolist() for ids in third] == [ids.tolist() for ids in plan.epoch_ids(2)]
    assert (third.epochs, list(third.epoch_numbers())) == (1, [2])
    assert len(third) == plan.epoch_batches
    assert list(third.blocks()) == list(plan.epoch_blocks(2))

"""Batches that are ready before anybody asks."""

from __future__ import annotations

from itertools import islice

import torch

from feedrate.contract import Fixture
from feedrate.loading.ready_batches import one_of_each_size


def test_the_smaller_last_batch_of_an_epoch_is_among_those_of_each_size(sums_fixture: Fixture) -> None:
    plan = sums_fixture.plan.for_epochs(None)
    planned = [len(ids) for ids in islice(plan, plan.epoch_batches)]
    batches = one_of_each_size(plan, 8)
    assert sorted(len(batch) for batch in batches) == sorted(set(planned))
    assert len(set(planned)) > 1, "all batches have one size: this shows nothing"


def test_no_more_sizes_are_made_ready_than_were_asked_for(sums_fixture: Fixture) -> None:
    assert len(one_of_each_size(sums_fixture.plan, 1)) == 1


def test_a_batch_of_each_size_holds_the_rows_that_its_ids_name(sums_fixture: Fixture) -> None:
    for batch in one_of_each_size(sums_fixture.plan, 8):
        rows = sums_fixture.recipe.rows(0, int(batch.ids.max()) + 1)
        assert torch.equal(batch.tensors["y"], torch.from_numpy(rows["y"])[batch.ids])

"""Batches that are ready before anybody asks."""

from __future__ import annotations

from contextlib import closing
from itertools import islice

import pytest
import torch

from feedrate.builtin.loaders.inline import Inline
from feedrate.contract import Fixture
from feedrate.loading.plan import Plan
from feedrate.loading.ready_batches import one_of_each_size, ready_on_host
from feedrate.loading.transfer import Stream, delivered
from feedrate.plugin.loader import Loader


def test_the_smaller_last_batch_of_an_epoch_is_among_those_of_each_size(sums_fixture: Fixture) -> None:
    plan = sums_fixture.plan.for_epochs(None)
    planned = [len(ids) for ids in islice(plan, plan.epoch_batches)]
    batches = one_of_each_size(plan, 8)
    assert sorted(len(batch) for batch in batches) == sorted(set(planned))
    assert len(set(planned)) > 1, "all batches have one size: this shows nothing"


def test_no_more_sizes_are_made_ready_than_were_asked_for(sums_fixture: Fixture) -> None:
    assert len(one_of_each_size(sums_fixture.plan, 1)) == 1


class Widening(Inline):
    """Serves the model's dtypes on the CPU whatever `cast` says."""

    name = "widening"

    def stream(self, plan: Plan) -> Stream:
        yield from super().stream(plan.with_cast("host"))


@pytest.mark.parametrize(("loader", "widens"), [(Widening(), True), (Inline(), False)], ids=["loader", "transfer"])
def test_ready_batches_are_widened_by_whoever_widens_those_of_the_stream(
    loader: Loader, widens: bool, sums_fixture: Fixture
) -> None:
    plan = sums_fixture.plan_for(loader).for_epochs(None)
    with closing(delivered(loader, plan)) as stream:
        next(stream)
    with ready_on_host(loader, plan, 1) as batches:
        first, second = islice(batches, 2)
    assert (first.tensors["x"].data_ptr() == second.tensors["x"].data_ptr()) is widens
    assert {first.tensors["x"].dtype, second.tensors["x"].dtype} == {torch.float32}


def test_a_batch_of_each_size_holds_the_rows_that_its_ids_name(sums_fixture: Fixture) -> None:
    for batch in one_of_each_size(sums_fixture.plan, 8):
        rows = sums_fixture.recipe.rows(0, int(batch.ids.max()) + 1)
        assert torch.equal(batch.tensors["y"], torch.from_numpy(rows["y"])[batch.ids])

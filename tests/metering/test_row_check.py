"""Rows that a timed stream served, held against its plan: by batches and by rows."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from feedrate.builtin.loaders.inline import Inline
from feedrate.contract import Fixture
from feedrate.errors import ContractError
from feedrate.metering.row_check import demand_planned
from feedrate.metering.shuffle import shuffle_of
from tests.support.shuffling import Shuffling


def planned(fixture: Fixture, epochs: int = 2) -> list[Tensor]:
    return list(fixture.plan.for_epochs(epochs))


def regrouped(ids: list[Tensor], size: int = 11) -> list[Tensor]:
    return list(torch.cat(ids).split(size))


def test_rows_in_batches_of_its_own_are_counted_by_epochs_of_rows(sums_fixture: Fixture) -> None:
    plan, ids = sums_fixture.plan.for_epochs(None), planned(sums_fixture)
    own = regrouped(ids)

    demand_planned(Shuffling(), plan, own)
    demand_planned(Shuffling(), plan, own[:7])
    with pytest.raises(ContractError, match="batch 0 does not hold the rows that the plan gives it"):
        demand_planned(Inline(), plan, own)


def test_a_row_that_comes_twice_or_never_or_is_strange_is_told_of_its_epoch(sums_fixture: Fixture) -> None:
    plan, rows = sums_fixture.plan.for_epochs(None), torch.cat(planned(sums_fixture))
    epoch = sums_fixture.plan.samples
    twice, mixed, strange = rows.clone(), rows.clone(), rows.clone()
    twice[3] = twice[2]
    mixed[[epoch - 1, epoch]] = mixed[[epoch, epoch - 1]]
    strange[epoch + 4] = 10**6

    for served, text in (
        (twice, rf"epoch 0 serves row {int(twice[2])} more than once \(1 rows\)"),
        (mixed, r"epoch 0 serves row \d+ more than once \(1 rows\)"),
        (strange, r"epoch 1 serves row 1000000, which is not in the plan"),
    ):
        with pytest.raises(ContractError, match=text):
            demand_planned(Shuffling(), plan, regrouped([served]))


def test_what_a_shuffle_is_worth_is_told_from_the_rows_alone(sums_fixture: Fixture) -> None:
    blocks = sums_fixture.plan
    stored = replace(blocks, order=replace(blocks.order, shuffle=False))  # type: ignore[type-var]
    drawn = torch.cat(list(stored))[torch.randperm(stored.samples, generator=torch.Generator().manual_seed(1))]

    plain, by_blocks, whole = (
        shuffle_of(plan, ids) for plan, ids in ((stored, list(stored)), (blocks, list(blocks)), (stored, [drawn]))
    )
    assert plain is not None
    assert by_blocks is not None
    assert whole is not None
    assert (plain.moved_share, plain.neighbour_correlation) == (0.0, 1.0)
    assert whole.moved_share == pytest.approx(1 / 3, abs=0.08)
    assert abs(whole.neighbour_correlation) < 0.25
    assert by_blocks.moved_share > 0.05
    assert plain.neighbour_correlation > by_blocks.neighbour_correlation > whole.neighbour_correlation
    assert shuffle_of(stored, [drawn[:5]]) is None

"""Each column of each target is looked at by itself: what is missing, how predictions vary, how they go with it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from sums import Sums
from torch import Tensor, nn

from feedrate.contract.forecasts import demand_alive, forecast_health
from feedrate.errors import ContractError
from feedrate.loading.batch import Batch
from feedrate.records.training_health import ForecastHealth

NAN = float("nan")


@dataclass(frozen=True)
class Copies(Sums):
    """A workload whose model says what the batch says that it says."""

    name = "copies"

    def model(self, size: str) -> nn.Module:
        del size
        return Says()

    def forecasts(self, outputs: Any, tensors: Mapping[str, Tensor]) -> Mapping[str, tuple[Tensor, Tensor]]:
        return {"y": (outputs, tensors["y"])}


class Says(nn.Module):
    def forward(self, tensors: Mapping[str, Tensor]) -> Tensor:
        return tensors["said"]


def looked_at(*pairs: tuple[Tensor, Tensor]) -> tuple[ForecastHealth, ...]:
    """What is told of batches, each of what is said and what is right."""
    batches = [Batch(torch.arange(len(said)), {"said": said, "y": right}) for said, right in pairs]
    return forecast_health(Copies(), Says(), batches)


def test_deviations_scale_and_correlation_are_those_of_all_batches_together() -> None:
    right = torch.tensor([1.0, 2.0, 3.0, 4.0])
    (of_y,) = looked_at((2 * right[:2] + 1, right[:2]), (2 * right[2:] + 1, right[2:]))

    assert (of_y.name, of_y.samples, of_y.mean, of_y.target_mean) == ("y", 4, 6.0, 2.5)
    assert of_y.target_deviation == pytest.approx(math.sqrt(1.25), rel=1e-3)
    assert of_y.scale == pytest.approx(2, rel=1e-3)
    assert of_y.correlation == 1.0


def test_each_column_is_looked_at_by_itself_and_what_is_missing_counts_for_nothing_else() -> None:
    right = torch.tensor([[1.0, 5.0], [2.0, NAN], [3.0, 7.0], [4.0, float("inf")]])
    near, far = looked_at((torch.stack((-right[:, 0], torch.ones(4)), dim=1), right))

    assert (near.name, near.missing, near.correlation) == ("y[0]", 0.0, -1.0)
    assert (far.name, far.missing, far.deviation, far.correlation) == ("y[1]", 0.5, 0.0, None)
    assert (far.mean, far.target_mean, far.samples) == (1.0, 6.0, 4)
    demand_alive("it", [near])
    with pytest.raises(ContractError, match=r"^it: y\[1\] is dead: its predictions have standard deviation 0, of the"):
        demand_alive("it", [near, far])


def test_predictions_that_are_no_numbers_are_named_with_their_column() -> None:
    said = torch.tensor([[1.0, NAN], [2.0, 3.0]])
    columns = looked_at((said, torch.rand(2, 2)))

    assert [column.predicted_missing for column in columns] == [0.0, 0.5]
    with pytest.raises(ContractError, match=r"^it: y\[1\] has no numbers: 50.00% of its predictions are NaN"):
        demand_alive("it", columns)


def test_small_targets_are_no_reason_to_call_what_follows_them_dead() -> None:
    right = torch.linspace(-1, 1, 10) * 1e-5
    demand_alive("it", looked_at((right / 10, right)))


def test_a_target_that_is_nowhere_known_or_never_changes_is_no_horizon_that_is_dead() -> None:
    demand_alive("it", looked_at((torch.ones(3), torch.ones(3))))
    demand_alive("it", looked_at((torch.ones(3), torch.full((3,), NAN))))


def test_a_thousand_labels_are_one_target() -> None:
    (whole,) = looked_at((torch.rand(3, 1_000), torch.rand(3, 1_000)))
    assert (whole.column, whole.samples) == (None, 3_000)

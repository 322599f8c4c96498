"""Short trainings of real models: each shape of their curve, and the twin that lacks what ails it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sums import Sums
from torch import nn

from feedrate.calibration.strategies.broken_training import Faulty
from feedrate.contract import learning_curve, unwritten
from feedrate.errors import ContractError, UnavailableError
from feedrate.plugin.workload import Workload
from feedrate.records.learning_curve import LearningCurve
from tests.support.lying_workloads import HasADeadHorizon, HasTwoHorizons, SaysAlwaysTheSame


@dataclass(frozen=True)
class Chance(Sums):
    """What is to be guessed has nothing to do with what is known."""

    name = "chance"

    def rows(self, size: str, seed: int, start: int, stop: int) -> dict[str, NDArray[np.generic]]:
        draws = np.random.default_rng(seed).normal(size=stop)[start:stop]
        return super().rows(size, seed, start, stop) | {"y": draws.astype(np.float32)}


@dataclass(frozen=True)
class LearnsByHeart(Chance):
    """The same, for a model that can keep each row in mind."""

    name = "learns_by_heart"

    def model(self, size: str) -> nn.Module:
        del size
        return Wide()

    def optimizer(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, lr=0.01)


class Wide(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, 512), nn.ReLU(), nn.Linear(512, 1))

    def forward(self, tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
        guess: torch.Tensor = self.layers(tensors["x"] - 4.5)[:, 0]
        return guess


def curve_of(workload: Workload, updates: int = 150) -> LearningCurve:
    return learning_curve(unwritten(workload), None, updates)


@pytest.mark.slow
def test_a_model_that_learns_is_healthy_and_has_met_none_of_what_is_held_out() -> None:
    curve = curve_of(HasTwoHorizons())

    assert curve.shape == "healthy"
    assert curve.correlation is not None
    assert curve.correlation > 0.5
    assert (len(curve.training), curve.looks[-1], len(curve.held_out)) == (150, 150, 11)
    assert curve.samples + curve.held_out_samples == 203


@pytest.mark.slow
@pytest.mark.parametrize("sick", [SaysAlwaysTheSame(), HasADeadHorizon()], ids=str)
def test_a_model_that_says_the_same_of_every_sample_is_degenerate(sick: Workload) -> None:
    assert curve_of(sick).shape == "degenerate"


@pytest.mark.slow
def test_where_there_is_nothing_to_know_a_small_model_has_no_information_and_a_large_one_overfits() -> None:
    assert curve_of(Chance(), 60).shape == "no information"
    assert curve_of(LearnsByHeart(), 300).shape == "overfitting"


def test_a_loss_that_is_no_number_is_named_with_its_update() -> None:
    with pytest.raises(ContractError, match=r"^faulty: update 0 of 10 has the loss nan$"):
        learning_curve(unwritten(Sums()), Faulty(fault="nan"), 10)


def test_too_few_batches_are_told_with_the_way_out() -> None:
    class Few(Sums):
        name = "few"

        def row_groups(self, size: str) -> tuple[tuple[int, ...], ...]:
            return ((26, 26),)

    with pytest.raises(UnavailableError, match=r"^few/tiny: of 4 batches a quarter is held out, and 3 are the"):
        learning_curve(unwritten(Few()), None, 10)


def test_a_training_is_the_same_each_time_and_leaves_the_callers_random_numbers_alone() -> None:
    torch.manual_seed(5)
    first = curve_of(Sums(), 20)
    following = torch.rand(1)
    torch.manual_seed(5)

    assert curve_of(Sums(), 20) == first
    assert torch.rand(1) == following

"""Gradients by module, and which modules get none."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from feedrate.contract.gradients import GradientNorms, gradient_norms


class Network(nn.Module):
    """Two layers of a list, one of them perhaps left out, and a head with a bias that may stay outside."""

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.ones(3))
        self.layers = nn.ModuleList(nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3)) for _ in range(2))
        self.head = nn.Linear(3, 1)
        self.frozen = nn.Linear(3, 3).requires_grad_(False)

    def forward(self, x: Tensor, *, left_out: int | None = None) -> Tensor:
        x = self.frozen(x + self.place)
        for number, layer in enumerate(self.layers):
            x = x if number == left_out else layer(x)
        said: Tensor = self.head(x)
        return said


def norms_of(model: Network, *, left_out: int | None = None, scale: float = 1.0) -> GradientNorms:
    torch.manual_seed(0)
    with gradient_norms(model, scale) as norms:
        (scale * model(torch.rand(4, 3), left_out=left_out).square().sum()).backward()
        # As steps do that leave nothing behind.
        model.zero_grad()
        return norms()


def test_a_healthy_model_has_a_gradient_in_each_module_and_a_frozen_one_needs_none() -> None:
    norms = norms_of(Network())

    assert norms.without == ()
    assert [part.module for part in norms.by_module] == ["place", "layers.0", "layers.1", "head"]
    assert norms.total == pytest.approx(math.hypot(*(part.norm for part in norms.by_module)), rel=1e-3)


def test_a_layer_that_is_left_out_is_named_as_a_whole() -> None:
    norms = norms_of(Network(), left_out=1)

    assert norms.without == ("layers.1",)
    assert {part.module: part.norm for part in norms.by_module}["layers.1"] == 0.0


def test_the_scale_of_a_loss_is_taken_out() -> None:
    torch.manual_seed(1)
    model = Network()
    assert norms_of(model, scale=1_024.0).total == pytest.approx(norms_of(model).total, rel=1e-3)


def test_a_parameter_that_is_left_out_beside_others_is_named_and_one_whose_gradient_is_0_is_not() -> None:
    names = ("head.weight", "head.bias", "body.weight", "body.bias")
    norms = GradientNorms(names, {"head.weight": 1.0, "head.bias": 0.0, "body.weight": 2.0})
    assert norms.without == ("body.bias",)


def test_where_no_gradient_is_seen_or_none_is_finite_nothing_is_said() -> None:
    assert GradientNorms(("a.weight",), {}).without == ()
    overflowed = GradientNorms(("a.weight", "b.weight"), {"a.weight": math.inf, "b.weight": 1.0})
    assert (overflowed.total, overflowed.by_module, overflowed.without) == (None, (), ())

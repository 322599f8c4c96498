"""Whether a step trains, by the losses of its updates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, repeat

import pytest
import torch
from sums import Sums

from feedrate.builtin.loaders.inline import Inline
from feedrate.builtin.steps.fp32 import Fp32
from feedrate.errors import ContractError
from feedrate.loading.batch import Batch
from feedrate.metering.training_check import TrainingCheck
from feedrate.plugin.cell import Cell
from feedrate.plugin.step import Step
from feedrate.plugin.workload import Workload
from feedrate.records.answer import TrainingResult
from feedrate.records.training_health import TrainingHealth
from tests.support.lying_workloads import BypassesAModule, DetachesAModule, GoesAround, HasADeadHorizon, HasTwoHorizons

CELL = Cell(Sums(), "tiny", Inline(), Fp32(), "cpu")


def checked(losses: Sequence[float], *, late: bool) -> TrainingResult:
    """The answer to a training with these losses, whose parameters move."""
    model = Named()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    check = TrainingCheck(model, optimizer, late=late)
    # One more update is made to look at gradients.
    values = chain(losses, repeat(losses[-1]))

    def update(batch: Batch) -> torch.Tensor:
        model.inner.weight.grad = torch.ones_like(model.inner.weight)
        optimizer.step()
        return torch.tensor(next(values))

    train, batch = check.watched(update), Batch(torch.arange(4), {"x": torch.rand(4, 3)})
    for _ in losses:
        train(batch)
    return check.result(CELL, model, [batch])


class Named(torch.nn.Module):
    """A model of one tensor, called as workloads' are."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = torch.nn.Linear(3, 1)

    def forward(self, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        made: torch.Tensor = self.inner(tensors["x"])
        return made


def noisy(first: float, last: float, count: int) -> list[float]:
    """From one loss to another, each batch up to a quarter of the first above or below."""
    draws = torch.Generator().manual_seed(0)
    noise = (torch.rand(count, generator=draws) - 0.5) * first / 2
    return (torch.linspace(first, last, count) + noise).tolist()


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("losses", [noisy(300, 250, 1000), noisy(300, 290, 40), noisy(300, 310, 40)])
def test_a_loss_that_falls_or_may_fall_is_training(losses: list[float], late: bool) -> None:
    result = checked(losses, late=late)
    assert result.loss_first == pytest.approx(sum(losses[:3]) / 3)
    assert result.loss_last == pytest.approx(sum(losses[-10:]) / 10)
    assert result.skipped_updates == 0


@pytest.mark.parametrize(
    ("losses", "reason"),
    [
        (noisy(300, 400, 1000), "in 1000 steps: it must fall"),
        (noisy(300, 300, 200)[::-1], "in 200 steps: it must fall"),
        # Of few steps as well, where no noise explains it.
        ([*range(1, 41)], "the loss went from 2 to 35.5 in 40 steps: it must fall"),
        ([*noisy(300, 290, 40), float("nan")], "loss nan is not finite"),
        ([*noisy(300, 290, 40), 0.0], "loss 0 is not above 0"),
    ],
)
def test_a_loss_that_does_not_fall_is_refused(losses: list[float], reason: str) -> None:
    with pytest.raises(ContractError, match=reason):
        checked(losses, late=False)


def trained(workload: Workload, step: Step | None = None) -> TrainingHealth:
    """How a model stands after thirty updates on one batch."""
    torch.manual_seed(0)
    cell = replace(CELL, workload=workload, step=step or Fp32())
    model = workload.model("tiny")
    optimizer = workload.trainer(model)
    check = TrainingCheck(model, optimizer, late=False)
    train = check.watched(cell.step.bind(model, workload.loss, optimizer))
    x = torch.randint(10, (16, 6)).float()
    batch = Batch(torch.arange(16), {"x": x, "y": x @ torch.tensor([1.0, -2.0, 3.0, -1.0, 2.0, 0.5])})
    for _ in range(30):
        train(batch)
    health = check.result(cell, model, [batch, batch]).health
    assert health is not None
    return health


def test_a_dead_horizon_is_refused_although_another_lives_and_its_twin_is_not() -> None:
    near, far = trained(HasTwoHorizons()).forecasts

    assert (near.name, far.name) == ("y[0]", "y[1]")
    assert near.samples == 32
    assert far.correlation is not None
    assert far.correlation > 0.3
    with pytest.raises(ContractError, match=r"^fp32 on has_a_dead_horizon: y\[1\] is dead: its predictions have"):
        trained(HasADeadHorizon())


@pytest.mark.parametrize("sick", [BypassesAModule(), DetachesAModule()], ids=str)
def test_a_module_without_a_gradient_is_named_and_its_twin_has_none(sick: Workload) -> None:
    health, twin = trained(sick), trained(GoesAround())

    assert health.without_gradient == ("around",)
    assert twin.without_gradient == ()
    assert [part.module for part in twin.gradients] == ["inner", "outer", "around.0", "around.1"]
    assert twin.gradient_norm
    assert twin.parameters == 2 * (6 * 8 + 8 + 8 + 1)


def test_the_update_that_looks_at_gradients_is_no_skipped_one() -> None:
    assert checked(noisy(300, 250, 40), late=True).skipped_updates == 0

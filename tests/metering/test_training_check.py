"""Whether a step trains, by the losses of its updates."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from sums import Sums

from feedrate.builtin.loaders.inline import Inline
from feedrate.builtin.steps.fp32 import Fp32
from feedrate.errors import ContractError
from feedrate.loading.batch import Batch
from feedrate.metering.training_check import TrainingCheck
from feedrate.plugin.cell import Cell
from feedrate.records.answer import TrainingResult

CELL = Cell(Sums(), "tiny", Inline(), Fp32(), "cpu")


def checked(losses: Sequence[float], *, late: bool) -> TrainingResult:
    """The answer to a training with these losses, whose parameters move."""
    model = Named()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    check = TrainingCheck(model, optimizer, late=late)
    values = iter(losses)

    def update(batch: Batch) -> torch.Tensor:
        model.inner.weight.grad = torch.ones_like(model.inner.weight)
        optimizer.step()
        return torch.tensor(next(values))

    train, batch = check.watched(update), Batch(torch.arange(4), {"x": torch.rand(4, 3)})
    for _ in losses:
        train(batch)
    return check.result(CELL, model, batch)


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

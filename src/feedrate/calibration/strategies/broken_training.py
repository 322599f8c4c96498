"""Train wrongly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from feedrate.builtin.steps.fp32 import Fp32
from feedrate.plugin.step import Step
from feedrate.plugin.strategy import knob

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from feedrate.loading.batch import Batch
    from feedrate.plugin.step import Loss, Update

__all__ = ["Faulty"]


@dataclass(frozen=True)
class Faulty(Step):
    """Train in fp32, but for one fault."""

    name = "faulty"
    hidden = True
    fault: str = knob("nan", "zero", "frozen", "climbing")
    """The loss it reports is NaN, or 0; it updates nothing; it goes uphill."""

    def bind(self, model: torch.nn.Module, loss: Loss, optimizer: torch.optim.Optimizer) -> Update:
        if self.fault == "frozen":
            return lambda batch: loss(model(batch.tensors), batch.tensors).detach()
        if self.fault == "climbing":
            return _climbing(model, loss, optimizer)
        plain, factor = Fp32().bind(model, loss, optimizer), float("nan") if self.fault == "nan" else 0.0
        return lambda batch: plain(batch) * factor


def _climbing(model: torch.nn.Module, loss: Loss, optimizer: torch.optim.Optimizer) -> Update:
    def update(batch: Batch) -> Tensor:
        optimizer.zero_grad()
        value = loss(model(batch.tensors), batch.tensors)
        (-value).backward()
        optimizer.step()
        return value.detach()

    return update

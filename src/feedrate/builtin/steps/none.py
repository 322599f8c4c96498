"""Train nothing: what the loop and the hand-over cost alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from feedrate.plugin.step import Step
from feedrate.records.cell_traits import StepTraits

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from feedrate.loading.batch import Batch
    from feedrate.plugin.step import Loss, Update

__all__ = ["NoTraining"]


@dataclass(frozen=True)
class NoTraining(Step):
    """Touch the batch and train nothing."""

    name = "none"
    trains = False

    def traits(self) -> StepTraits:
        return StepTraits("fp32", compiled=False)

    def bind(self, model: torch.nn.Module, loss: Loss, optimizer: torch.optim.Optimizer) -> Update:
        del model, loss, optimizer

        def update(batch: Batch) -> Tensor:
            first = next(iter(batch.tensors.values()))
            return first.view(-1)[:1]

        return update

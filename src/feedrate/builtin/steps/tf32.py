"""Train in single precision with TF32 matrix products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from feedrate.builtin.steps.backend import BackendStep
from feedrate.plugin.strategy import cuda
from feedrate.records.cell_traits import StepTraits

if TYPE_CHECKING:
    import torch

    from feedrate.plugin.step import Loss, Update

__all__ = ["Tf32"]


@dataclass(frozen=True)
class Tf32(BackendStep):
    """Train in fp32 with matrix products, convolutions and recurrent cells in TF32."""

    name = "tf32"
    needs = (cuda,)

    def traits(self) -> StepTraits:
        return StepTraits("tf32", compiled=False)

    def bind(self, model: torch.nn.Module, loss: Loss, optimizer: torch.optim.Optimizer) -> Update:
        from feedrate.builtin.steps.precision import single_precision_update

        return self.chosen(single_precision_update(model, loss, optimizer, "high"))

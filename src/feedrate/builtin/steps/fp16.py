"""Train in float16 mixed precision with a gradient scaler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from feedrate.builtin.steps.backend import BackendStep
from feedrate.plugin.strategy import cuda, knob
from feedrate.plugin.updates import ScaledUpdate, forward_and_loss
from feedrate.records.cell_traits import StepTraits

if TYPE_CHECKING:
    import torch

    from feedrate.plugin.step import Loss, Update

__all__ = ["Fp16"]


@dataclass(frozen=True)
class Fp16(BackendStep):
    """Run the model under fp16 autocast with a scaled loss; an update whose gradients overflow is skipped."""

    name = "fp16"
    needs = (cuda,)
    log2_scale: int = knob(16, 10, low=0, high=32)
    """The loss is multiplied by 2**log2_scale at first; the scaler adapts it."""

    def traits(self) -> StepTraits:
        return StepTraits("fp16", compiled=False)

    def bind(self, model: torch.nn.Module, loss: Loss, optimizer: torch.optim.Optimizer) -> Update:
        import torch

        forward = forward_and_loss(model, loss, torch.float16)
        scaler = torch.amp.GradScaler("cuda", init_scale=2.0**self.log2_scale)
        return self.chosen(ScaledUpdate(forward, optimizer, scaler))

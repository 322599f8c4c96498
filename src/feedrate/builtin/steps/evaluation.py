"""Ask the model about each batch and train nothing: what validation takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from feedrate.plugin.step import Step
from feedrate.plugin.strategy import knob
from feedrate.plugin.updates import forward_and_loss
from feedrate.records.cell_traits import Precision, StepTraits

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from feedrate.loading.batch import Batch
    from feedrate.plugin.step import Loss, Update

__all__ = ["Evaluation"]

_PRECISIONS: Mapping[str, Precision] = {"fp32": "fp32", "bf16": "bf16"}


@dataclass(frozen=True)
class Evaluation(Step):
    """Run the model in evaluation mode, without gradients, and compute the loss: the speed of validation."""

    name = "evaluation"
    on_request = True
    updates: ClassVar[bool] = False
    precision: str = knob("fp32", "bf16")

    def traits(self) -> StepTraits:
        return StepTraits(_PRECISIONS[self.precision], compiled=False)

    def bind(self, model: torch.nn.Module, loss: Loss, optimizer: torch.optim.Optimizer) -> Update:
        import torch

        from feedrate.builtin.steps.precision import at_precision

        del optimizer
        forward = forward_and_loss(model.eval(), loss, torch.bfloat16 if self.precision == "bf16" else None)

        def evaluate(batch: Batch) -> Tensor:
            with torch.inference_mode():
                value = forward(batch.tensors)
            # Outside of that mode whoever holds it may do with it what he likes.
            return value.clone()

        return at_precision(evaluate, "highest")

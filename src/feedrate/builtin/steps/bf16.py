"""Train in bfloat16 mixed precision."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from feedrate.builtin.steps.backend import BackendStep
from feedrate.plugin.updates import forward_and_loss, plain_update
from feedrate.records.cell_traits import StepTraits

if TYPE_CHECKING:
    import torch

    from feedrate.plugin.step import Loss, Step, Update

__all__ = ["Bf16"]


@dataclass(frozen=True)
class Bf16(BackendStep):
    """Run the model under bf16 autocast; loss, gradients and weights stay fp32.

    So do recurrent cells on a CPU without bf16 instructions, for which there are none in bf16.
    """

    name = "bf16"

    def traits(self) -> StepTraits:
        return StepTraits("bf16", compiled=False)

    def in_less_memory(self) -> Iterator[Step]:
        from feedrate.builtin.steps.lighter import lighter

        return lighter(self.name)

    def bind(self, model: torch.nn.Module, loss: Loss, optimizer: torch.optim.Optimizer) -> Update:
        import torch

        return self.chosen(plain_update(forward_and_loss(model, loss, torch.bfloat16), optimizer))

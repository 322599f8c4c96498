"""Train without keeping activations between a model's blocks: they are computed again on the way back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from feedrate.plugin.step import Step
from feedrate.plugin.strategy import knob
from feedrate.plugin.updates import forward_and_loss, plain_update
from feedrate.records.cell_traits import Precision, StepTraits

if TYPE_CHECKING:
    import torch

    from feedrate.plugin.step import Loss, Update

__all__ = ["Checkpointed"]

_PRECISIONS: Mapping[str, Precision] = {"fp32": "fp32", "bf16": "bf16"}


@dataclass(frozen=True)
class Checkpointed(Step):
    """Keep only what goes into each block of the model, and run the block again in the backward pass.

    Blocks are what the model keeps in the list (`ModuleList`, `Sequential`) that holds most of its parameters; a model
    without such a list is one block. Running averages of batch normalisation are updated twice.
    """

    name = "checkpointed"
    on_request = True
    precision: str = knob("fp32", "bf16")

    def traits(self) -> StepTraits:
        return StepTraits(_PRECISIONS[self.precision], compiled=False)

    def bind(self, model: torch.nn.Module, loss: Loss, optimizer: torch.optim.Optimizer) -> Update:
        import torch
        from torch.utils.checkpoint import checkpoint

        from feedrate.builtin.steps.precision import at_precision

        for block in _blocks(model):
            block.forward = partial(checkpoint, block.forward, use_reentrant=False)
        forward = forward_and_loss(model, loss, torch.bfloat16 if self.precision == "bf16" else None)
        return at_precision(plain_update(forward, optimizer), "highest")


def _blocks(model: torch.nn.Module) -> Sequence[torch.nn.Module]:
    from torch import nn

    lists = [tuple(module) for module in model.modules() if isinstance(module, nn.ModuleList | nn.Sequential)]
    several = [blocks for blocks in lists if len(blocks) > 1]
    return max(several, key=_size, default=(model,))


def _size(blocks: Sequence[torch.nn.Module]) -> int:
    return sum(parameter.numel() for block in blocks for parameter in block.parameters())

"""Train in plain single precision."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from feedrate.builtin.steps.backend import BackendStep
from feedrate.records.cell_traits import StepTraits

if TYPE_CHECKING:
    import torch

    from feedrate.plugin.step import Loss, Step, Update

__all__ = ["Fp32"]


@dataclass(frozen=True)
class Fp32(BackendStep):
    """Train in fp32, TF32 off: the reference that every other step is checked against."""

    name = "fp32"

    def traits(self) -> StepTraits:
        return StepTraits("fp32", compiled=False)

    def in_less_memory(self) -> Iterator[Step]:
        from feedrate.builtin.steps.lighter import lighter

        return lighter(self.name)

    def bind(self, model: torch.nn.Module, loss: Loss, optimizer: torch.optim.Optimizer) -> Update:
        from feedrate.builtin.steps.precision import single_precision_update

        return self.chosen(single_precision_update(model, loss, optimizer, "highest"))

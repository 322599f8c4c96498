"""Train with torch.compile, in any precision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from feedrate.errors import UnavailableError
from feedrate.plugin.step import Step
from feedrate.plugin.strategy import cuda, knob
from feedrate.plugin.updates import forward_and_loss, plain_update
from feedrate.records.cell_traits import Precision, StepTraits

if TYPE_CHECKING:
    import torch

    from feedrate.plugin.step import Loss, Update

__all__ = ["Compiled"]

_CUDA_ONLY = ("tf32",)
_PRECISIONS: Mapping[str, Precision] = {"fp32": "fp32", "tf32": "tf32", "bf16": "bf16"}


@dataclass(frozen=True)
class Compiled(Step):
    """Compile forward and loss with torch.compile. `dynamic=auto` lets torch decide which sizes to keep symbolic."""

    name = "compiled"
    mode: str = knob("default", "reduce-overhead", "max-autotune")
    precision: str = knob("fp32", "tf32", "bf16")
    dynamic: bool | None = knob(None, False, True)

    def traits(self) -> StepTraits:
        return StepTraits(_PRECISIONS[self.precision], compiled=True)

    def bind(self, model: torch.nn.Module, loss: Loss, optimizer: torch.optim.Optimizer) -> Update:
        import torch

        from feedrate.builtin.steps.precision import at_precision

        if self.precision in _CUDA_ONLY and not cuda.met():
            raise UnavailableError(f"{self}: {cuda.reason}")
        dtype = torch.bfloat16 if self.precision == "bf16" else torch.float32
        forward = torch.compile(forward_and_loss(model, loss, dtype), mode=self.mode, dynamic=self.dynamic)
        update = plain_update(forward, optimizer)
        return at_precision(update, "high" if self.precision == "tf32" else "highest")

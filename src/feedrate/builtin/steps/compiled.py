"""Train with torch.compile, in any precision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from feedrate.builtin.steps.backend import BackendStep
from feedrate.errors import UnavailableError
from feedrate.plugin.strategy import cuda, knob
from feedrate.plugin.updates import ScaledUpdate, forward_and_loss, plain_update
from feedrate.records.cell_traits import Precision, StepTraits

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from feedrate.plugin.step import Loss, Update
    from feedrate.plugin.updates import Forward

__all__ = ["Compiled"]

_CUDA_ONLY = ("tf32", "fp16")
_PRECISIONS: Mapping[str, Precision] = {"fp32": "fp32", "tf32": "tf32", "bf16": "bf16", "fp16": "fp16"}


@dataclass(frozen=True)
class Compiled(BackendStep):
    """Compile forward and loss with torch.compile. `dynamic=auto` lets torch decide which sizes to keep symbolic.

    `fullgraph` refuses a model that is no single graph, instead of leaving parts to Python. `fp16` scales the loss. On
    CUDA, `mode=reduce-overhead` and `max-autotune` replay CUDA graphs of forward and backward, not of the optimizer.
    """

    name = "compiled"
    mode: str = knob("default", "reduce-overhead", "max-autotune")
    precision: str = knob("fp32", "tf32", "bf16", "fp16")
    dynamic: bool | None = knob(None, False, True)
    fullgraph: bool = knob(False)

    def traits(self) -> StepTraits:
        return StepTraits(_PRECISIONS[self.precision], compiled=True)

    def bind(self, model: torch.nn.Module, loss: Loss, optimizer: torch.optim.Optimizer) -> Update:
        import torch

        from feedrate.builtin.steps.precision import at_precision

        if self.precision in _CUDA_ONLY and not cuda.met():
            raise UnavailableError(f"{self}: {cuda.reason}")
        dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(self.precision, torch.float32)
        plain = forward_and_loss(model, loss, dtype)
        compiled = torch.compile(plain, mode=self.mode, dynamic=self.dynamic, fullgraph=self.fullgraph)
        forward = compiled if self.mode == "default" else _kept(compiled)
        if self.precision == "fp16":
            return self.chosen(ScaledUpdate(forward, optimizer, torch.amp.GradScaler("cuda")))
        update = plain_update(forward, optimizer)
        return self.chosen(at_precision(update, "high" if self.precision == "tf32" else "highest"))


def _kept(forward: Forward) -> Forward:
    """Give the same loss in memory that no later call writes to: that of CUDA graphs belongs to the next replay."""

    def kept(tensors: Mapping[str, Tensor]) -> Tensor:
        return forward(tensors).clone()

    return kept

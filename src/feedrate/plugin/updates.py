"""Build the update of a step from a model, a loss and an optimizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from feedrate.loading.batch import Batch
    from feedrate.plugin.step import Loss, Update

__all__ = ["Forward", "ScaledUpdate", "forward_and_loss", "plain_update"]

Forward: TypeAlias = "Callable[[Mapping[str, Tensor]], Tensor]"
"""A batch's tensors -> scalar fp32 loss, with its graph."""


def plain_update(forward: Forward, optimizer: torch.optim.Optimizer) -> Update:
    """Make an update of zeroed gradients, one forward, one backward and one step of the optimizer."""

    def update(batch: Batch) -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        value = forward(batch.tensors)
        value.backward()
        optimizer.step()
        return value.detach()

    return update


class ScaledUpdate:
    """The same with the loss multiplied, so that small gradients are not lost in fp16.

    An update whose gradients overflow is skipped, and the scale goes down.
    """

    def __init__(self, forward: Forward, optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler) -> None:
        """Make updates of that optimizer; the scaler is used for nothing else."""
        self._forward, self._optimizer, self._scaler = forward, optimizer, scaler

    def __call__(self, batch: Batch) -> Tensor:
        """See `Update`."""
        optimizer, scaler = self._optimizer, self._scaler
        optimizer.zero_grad(set_to_none=True)
        value = self._forward(batch.tensors)
        scaler.scale(value).backward()
        # The optimizer clips in its step, and must see gradients in their true size.
        scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
        return value.detach()

    @property
    def loss_scale(self) -> float:
        """What the loss is multiplied by now; waits for the device."""
        return float(self._scaler.get_scale())


def forward_and_loss(model: torch.nn.Module, loss: Loss, dtype: torch.dtype | None = None) -> Forward:
    """Make a function that runs the model under autocast to `dtype` and computes the loss of its outputs in fp32.

    `dtype`: `torch.bfloat16`, `torch.float16`, or `torch.float32` or None for no autocast. Recurrent cells stay in fp32
    on a CPU that has no bf16 ones; the model is changed for that.
    """
    import torch

    kind = dtype or torch.float32
    if kind == torch.bfloat16 and not _has_bf16_recurrence(model):
        for module in model.modules():
            if isinstance(module, torch.nn.RNNBase):
                _keep_fp32(module)

    run = _autocast(model, kind)

    def forward(tensors: Mapping[str, Tensor]) -> Tensor:
        outputs = run(tensors)
        if isinstance(outputs, torch.Tensor):
            return loss(outputs.float(), tensors)
        return loss({name: tensor.float() for name, tensor in outputs.items()}, tensors)

    return forward


def _autocast(model: torch.nn.Module, dtype: torch.dtype) -> Callable[[Mapping[str, Tensor]], Any]:
    """The model under autocast on the device where it lives; in fp32 the model itself.

    A context around a model that breaks the graph, as a recurrent layer on CUDA does, makes torch.compile build the
    rest of the graph again at each call: in fp32 there must be none.
    """
    import torch

    if dtype == torch.float32:
        return model
    device = next(model.parameters()).device.type

    def run(tensors: Mapping[str, Tensor]) -> Any:
        with torch.autocast(device, dtype=dtype):
            return model(tensors)

    return run


def _has_bf16_recurrence(model: torch.nn.Module) -> bool:
    """Whether recurrent cells run in bf16 where the model lives: oneDNN has none for a CPU without bf16."""
    import torch

    on_cpu = next(model.parameters()).device.type == "cpu"
    return not on_cpu or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _keep_fp32(module: torch.nn.Module) -> None:
    """Take a module out of autocast."""
    import torch

    inside = module.forward

    def forward(first: Tensor, *rest: Any) -> Any:
        with torch.autocast(first.device.type, enabled=False):
            return inside(first.float(), *rest)

    module.forward = forward

"""One update in a given precision; the steps differ in nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from feedrate.loading.batch import Batch
    from feedrate.plugin.step import Loss, Update

__all__ = [
    "at_precision",
    "autocast",
    "forward_and_loss",
    "matmul_precision",
    "plain_update",
    "single_precision_update",
]

Forward = Callable[[Mapping[str, Tensor]], Tensor]


def autocast(model: torch.nn.Module, dtype: torch.dtype) -> Callable[[Mapping[str, Tensor]], Any]:
    """The model under autocast on the device where it lives; in fp32 the model itself.

    A context around a model that breaks the graph, as a recurrent layer on CUDA does, makes torch.compile build the
    rest of the graph again at each call: in fp32 there must be none.
    """
    if dtype == torch.float32:
        return model
    device = next(model.parameters()).device.type

    def run(tensors: Mapping[str, Tensor]) -> Any:
        with torch.autocast(device, dtype=dtype):
            return model(tensors)

    return run


def forward_and_loss(model: torch.nn.Module, loss: Loss, dtype: torch.dtype) -> Forward:
    """A batch's tensors -> its loss, the model run under autocast and the loss in fp32."""

    if dtype == torch.bfloat16 and not _has_bf16_recurrence(model):
        for module in model.modules():
            if isinstance(module, torch.nn.RNNBase):
                _keep_fp32(module)

    run = autocast(model, dtype)

    def forward(tensors: Mapping[str, Tensor]) -> Tensor:
        return loss(_fp32(run(tensors)), tensors)

    return forward


def _has_bf16_recurrence(model: torch.nn.Module) -> bool:
    """Whether recurrent cells run in bf16 where the model lives: oneDNN has none for a CPU without bf16."""
    on_cpu = next(model.parameters()).device.type == "cpu"
    return not on_cpu or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _keep_fp32(module: torch.nn.Module) -> None:
    """Take a module out of autocast."""
    inside = module.forward

    def forward(first: Tensor, *rest: Any) -> Any:
        with torch.autocast(first.device.type, enabled=False):
            return inside(first.float(), *rest)

    module.forward = forward


def _fp32(outputs: Any) -> Any:
    if isinstance(outputs, Tensor):
        return outputs.float()
    return {name: tensor.float() for name, tensor in outputs.items()}


def plain_update(forward: Forward, optimizer: torch.optim.Optimizer) -> Update:
    """Forward, backward, update."""

    def update(batch: Batch) -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        value = forward(batch.tensors)
        value.backward()
        optimizer.step()
        return value.detach()

    return update


def at_precision(update: Update, precision: str) -> Update:
    """The update with fp32 matrix products at that precision while it runs."""

    def precise(batch: Batch) -> Tensor:
        with matmul_precision(precision):
            return update(batch)

    return precise


def single_precision_update(
    model: torch.nn.Module, loss: Loss, optimizer: torch.optim.Optimizer, precision: str
) -> Update:
    """An update in fp32 whose matrix products are `highest` (no TF32) or `high` (TF32)."""
    return at_precision(plain_update(forward_and_loss(model, loss, torch.float32), optimizer), precision)


@contextmanager
def matmul_precision(precision: str) -> Iterator[None]:
    """fp32 matrix products as `highest` (no TF32) or `high` (TF32), cuDNN included, as before on leaving."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision(precision)
    torch.backends.cudnn.allow_tf32 = precision != "highest"
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]

"""Run one update in a given precision of matrix products; the steps differ in nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from feedrate.plugin.updates import forward_and_loss, plain_update

if TYPE_CHECKING:
    from feedrate.loading.batch import Batch
    from feedrate.plugin.step import Loss, Update

__all__ = ["at_precision", "matmul_precision", "single_precision_update"]


def at_precision(update: Update, precision: str) -> Update:
    """Give the update with fp32 matrix products at that precision while it runs."""

    def precise(batch: Batch) -> Tensor:
        with matmul_precision(precision):
            return update(batch)

    return precise


def single_precision_update(
    model: torch.nn.Module, loss: Loss, optimizer: torch.optim.Optimizer, precision: str
) -> Update:
    """Give an update in fp32 whose matrix products are `highest` (no TF32) or `high` (TF32)."""
    return at_precision(plain_update(forward_and_loss(model, loss), optimizer), precision)


@contextmanager
def matmul_precision(precision: str) -> Iterator[None]:
    """Set fp32 matrix products to `highest` (no TF32) or `high` (TF32), cuDNN included; as before on leaving."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision(precision)
    torch.backends.cudnn.allow_tf32 = precision != "highest"
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]

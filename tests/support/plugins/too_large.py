"""A step that asks for more memory than any device has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from feedrate import hookimpl
from feedrate.plugin.step import Step

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from feedrate.loading.batch import Batch
    from feedrate.plugin.step import Loss, Update


@dataclass(frozen=True)
class TooLarge(Step):
    """Allocate 32 TiB where the batch is."""

    name = "too_large"

    def bind(self, model: torch.nn.Module, loss: Loss, optimizer: torch.optim.Optimizer) -> Update:
        import torch

        def update(batch: Batch) -> Tensor:
            return next(iter(batch.tensors.values())).new_empty(1 << 43, dtype=torch.float32)

        return update


@hookimpl
def steps() -> Iterable[type[Step]]:
    return (TooLarge,)

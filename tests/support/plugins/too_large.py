"""Steps that ask for more memory than any device has, or than one that is no hardware has for whole batches."""

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


@dataclass(frozen=True)
class Hungry(Step):
    """Hold 8 MiB for each sample of a batch where that is, and train nothing."""

    name = "hungry"
    trains = False

    def bind(self, model: torch.nn.Module, loss: Loss, optimizer: torch.optim.Optimizer) -> Update:
        import torch

        def update(batch: Batch) -> Tensor:
            tensor = next(iter(batch.tensors.values()))
            return tensor.new_empty((len(batch), 1 << 21), dtype=torch.float32)[:1, 0]

        return update


@hookimpl
def steps() -> Iterable[type[Step]]:
    return (TooLarge, Hungry)

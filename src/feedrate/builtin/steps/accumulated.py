"""Train on each batch in parts, whose gradients add up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from feedrate.errors import UnavailableError
from feedrate.plugin.step import Step
from feedrate.plugin.strategy import knob
from feedrate.plugin.updates import forward_and_loss
from feedrate.records.cell_traits import Precision, StepTraits

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from feedrate.loading.batch import Batch
    from feedrate.plugin.step import Loss, Update

__all__ = ["Accumulated"]

_PRECISIONS: Mapping[str, Precision] = {"fp32": "fp32", "bf16": "bf16"}


@dataclass(frozen=True)
class Accumulated(Step):
    """Train on each batch in `parts`, one after the other, in the memory of one: the gradients are added up.

    The last part may be smaller, and counts for as many samples as it has. Where the loss is a mean over samples, and
    no layer looks across them as batch normalisation does, the gradient is that of the whole batch.
    """

    name = "accumulated"
    on_request = True
    parts: int = knob(4, 2, 8, low=1, high=1024)
    precision: str = knob("fp32", "bf16")

    def traits(self) -> StepTraits:
        return StepTraits(_PRECISIONS[self.precision], compiled=False)

    def bind(self, model: torch.nn.Module, loss: Loss, optimizer: torch.optim.Optimizer) -> Update:
        import torch

        from feedrate.builtin.steps.precision import at_precision

        forward = forward_and_loss(model, loss, torch.bfloat16 if self.precision == "bf16" else None)

        def update(batch: Batch) -> Tensor:
            optimizer.zero_grad(set_to_none=True)
            values = []
            for part, share in self._parts(batch):
                value = forward(part) * share
                value.backward()
                values.append(value.detach())
            optimizer.step()
            return torch.stack(values).sum()

        return at_precision(update, "highest")

    def _parts(self, batch: Batch) -> Iterator[tuple[dict[str, Tensor], float]]:
        """Yield the tensors of each part, and its share of the samples.

        Raises:
            UnavailableError: a tensor has not one row for each sample.
        """
        samples = len(batch)
        for name, tensor in batch.tensors.items():
            if tensor.shape[:1] != (samples,):
                raise UnavailableError(
                    f"{self}: {name!r} of a batch of {samples} samples is {tuple(tensor.shape)}, so a batch cannot be"
                    " cut by samples; train it whole"
                )
        size = -(-samples // self.parts)
        for start in range(0, samples, size):
            part = {name: tensor[start : start + size] for name, tensor in batch.tensors.items()}
            yield part, min(size, samples - start) / samples

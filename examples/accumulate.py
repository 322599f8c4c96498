"""Train on each batch in parts whose gradients add up, for less memory at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from feedrate import Step, forward_and_loss, hookimpl, knob

if TYPE_CHECKING:
    import torch
    from feedrate import Batch, Loss, Update
    from torch import Tensor


@dataclass(frozen=True)
class Accumulate(Step):
    """Cut each batch into `parts` and make one update of their gradients' mean."""

    name = "accumulate"
    # A knob: its default, what a sweep tries besides, and its range.
    parts: int = knob(2, 4, low=1, high=1_024)

    def bind(
        self,
        model: torch.nn.Module,
        loss: Loss,
        optimizer: torch.optim.Optimizer,
    ) -> Update:
        # What is made once for the run belongs here: a compiled model, a scaler.
        forward = forward_and_loss(model, loss)

        def update(batch: Batch) -> Tensor:
            optimizer.zero_grad(set_to_none=True)
            size = -(-len(batch) // self.parts)
            pieces = {name: t.split(size) for name, t in batch.tensors.items()}
            losses = []
            for values in zip(*pieces.values(), strict=True):
                share = len(values[0]) / len(batch)
                value = forward(dict(zip(pieces, values, strict=True))) * share
                value.backward()
                losses.append(value.detach())
            # The optimizer clips gradients by itself, as the workload says.
            optimizer.step()
            # Stays on the device: `.item()` here would wait for the device each time.
            return sum(losses[1:], losses[0])

        return update


@hookimpl
def steps() -> Iterable[type[Step]]:
    return (Accumulate,)

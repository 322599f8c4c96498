"""A step: a way of training on a batch."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from feedrate.plugin.strategy import Strategy
from feedrate.records.cell_traits import StepTraits

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from feedrate.loading.accelerator import Accelerator
    from feedrate.loading.batch import Batch

__all__ = ["Loss", "Step", "Update"]

Loss: TypeAlias = "Callable[[Any, Mapping[str, Tensor]], Tensor]"
"""(what the model returned, the batch's tensors) -> scalar."""
Update: TypeAlias = "Callable[[Batch], Tensor]"
"""One update of the model; returns the loss, detached, still on the device."""


@dataclass(frozen=True)
class Step(Strategy):
    """A strategy that trains. Subclasses state nothing but knobs and `bind`."""

    trains: ClassVar[bool] = True
    """False: the step only touches the batch; there is no loss to check."""
    updates: ClassVar[bool] = True
    """False: it computes the loss and leaves the model as it is, as validation does."""
    on_host: ClassVar[bool] = True
    """False: it trains only on a device beside the host, and is bound with `bind_on` alone."""
    settles_after: ClassVar[int] = 1
    """Updates on batches of one size after which all further ones are alike; nothing is timed before."""

    def traits(self) -> StepTraits:
        """Say how this step computes, with its knobs as they are, so that advice fits; unless overridden, not known."""
        return StepTraits()

    def in_less_memory(self) -> Iterator[Step]:
        """Yield steps that make the same update in less memory, each in less than the one before; none by default."""
        yield from ()

    @abstractmethod
    def bind(self, model: torch.nn.Module, loss: Loss, optimizer: torch.optim.Optimizer) -> Update:
        """Give a function that makes one update with each batch it is called with.

        The model is on the device and in training mode; it is called with the batch's tensors by name, in the model's
        dtypes and on the device. The optimizer clips gradients itself, as the workload says, in its `step`: a step that
        scales the loss must unscale before, and may say by how much with an attribute `loss_scale` of the update; one
        that replays updates in which neither optimizer nor hooks are called says how many, with `replayed`. The loss is
        the caller's: no later update writes to its memory.
        """

    def bind_on(
        self, accelerator: Accelerator | None, model: torch.nn.Module, loss: Loss, optimizer: torch.optim.Optimizer
    ) -> Update:
        """Bind it to a model on that device, None: the host; for a step that talks to the device, else plain `bind`."""
        del accelerator
        return self.bind(model, loss, optimizer)

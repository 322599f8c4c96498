"""Steps that say how cuDNN chooses its algorithms, and when torch gives memory back to the device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from feedrate.errors import UnavailableError
from feedrate.plugin.step import Step
from feedrate.plugin.strategy import cuda, knob

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from feedrate.loading.accelerator import Accelerator
    from feedrate.loading.batch import Batch
    from feedrate.plugin.step import Loss, Update

__all__ = ["BackendStep"]


@dataclass(frozen=True)
class BackendStep(Step):
    """A step with knobs for that; subclasses give their update to `chosen`."""

    cudnn_benchmark: bool = knob(False)
    """Have cuDNN time its algorithms for each new shape of a convolution, and keep the quickest."""
    cudnn_deterministic: bool = knob(False)
    """Have cuDNN take algorithms alone that give the same bits each time."""
    empty_cache: int | None = knob(None, low=1, high=1_000_000)
    """Updates after which torch gives the memory that it holds in reserve back to the device; auto: it keeps it."""

    def bind_on(
        self, accelerator: Accelerator | None, model: torch.nn.Module, loss: Loss, optimizer: torch.optim.Optimizer
    ) -> Update:
        """See `Step`.

        Raises:
            UnavailableError: memory is to be given back, and there is no device beside the host.
        """
        update = self.bind(model, loss, optimizer)
        if self.empty_cache is None:
            return update
        if accelerator is None:
            raise UnavailableError(f"{self}: torch keeps nothing in reserve on the host: empty_cache needs a GPU")
        return _Emptying(update, accelerator, self.empty_cache)

    def chosen(self, update: Update) -> Update:
        """Give an update that runs with the knobs as they are set.

        Raises:
            UnavailableError: one is on, and there is no GPU.
        """
        if not (self.cudnn_benchmark or self.cudnn_deterministic):
            return update
        if not cuda.met():
            raise UnavailableError(f"{self}: {cuda.reason}")
        return _Chosen(update, benchmark=self.cudnn_benchmark, deterministic=self.cudnn_deterministic)


class _Around:
    """Does something around each update, of which all else is as it was."""

    def __init__(self, update: Update) -> None:
        self._update = update

    def __getattr__(self, name: str) -> Any:
        return getattr(self._update, name)


class _Emptying(_Around):
    """Has torch give back what it holds in reserve, each so many updates."""

    def __init__(self, update: Update, accelerator: Accelerator, every: int) -> None:
        super().__init__(update)
        self._accelerator, self._every, self._made = accelerator, every, 0

    def __call__(self, batch: Batch) -> Tensor:
        """See `Update`."""
        loss = self._update(batch)
        self._made += 1
        if self._made % self._every == 0:
            self._accelerator.empty_cache()
        return loss


class _Chosen(_Around):
    """Runs an update with torch's two flags for cuDNN set, and leaves them as they were."""

    def __init__(self, update: Update, *, benchmark: bool, deterministic: bool) -> None:
        super().__init__(update)
        self._benchmark, self._deterministic = benchmark, deterministic

    def __call__(self, batch: Batch) -> Tensor:
        """See `Update`."""
        from torch.backends import cudnn

        # Not its context manager, which would set the precisions as well.
        before = cudnn.benchmark, cudnn.deterministic
        cudnn.benchmark, cudnn.deterministic = self._benchmark, self._deterministic
        try:
            return self._update(batch)
        finally:
            cudnn.benchmark, cudnn.deterministic = before

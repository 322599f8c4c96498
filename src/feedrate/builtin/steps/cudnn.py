"""Steps whose convolutions cuDNN may choose by trying."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from feedrate.errors import UnavailableError
from feedrate.plugin.step import Step
from feedrate.plugin.strategy import cuda, knob

if TYPE_CHECKING:
    from torch import Tensor

    from feedrate.loading.batch import Batch
    from feedrate.plugin.step import Update

__all__ = ["CudnnStep"]


@dataclass(frozen=True)
class CudnnStep(Step):
    """A step with a knob for that; subclasses give their update to `chosen`."""

    cudnn_benchmark: bool = knob(False)
    """Have cuDNN time its algorithms for each new shape of a convolution, and keep the quickest."""

    def chosen(self, update: Update) -> Update:
        """Give an update that runs with the knob as it is set.

        Raises:
            UnavailableError: it is on, and there is no GPU.
        """
        if not self.cudnn_benchmark:
            return update
        if not cuda.met():
            raise UnavailableError(f"{self}: {cuda.reason}")
        return _Benchmarked(update)


class _Benchmarked:
    """Runs an update with `torch.backends.cudnn.benchmark` on, and leaves it as it was."""

    def __init__(self, update: Update) -> None:
        self._update = update

    def __call__(self, batch: Batch) -> Tensor:
        """See `Update`."""
        import torch

        before = torch.backends.cudnn.benchmark
        torch.backends.cudnn.benchmark = True
        try:
            return self._update(batch)
        finally:
            torch.backends.cudnn.benchmark = before

    def __getattr__(self, name: str) -> Any:
        return getattr(self._update, name)

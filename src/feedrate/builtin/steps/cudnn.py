"""Steps that say how cuDNN chooses its algorithms."""

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
    """A step with knobs for that; subclasses give their update to `chosen`."""

    cudnn_benchmark: bool = knob(False)
    """Have cuDNN time its algorithms for each new shape of a convolution, and keep the quickest."""
    cudnn_deterministic: bool = knob(False)
    """Have cuDNN take algorithms alone that give the same bits each time."""

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


class _Chosen:
    """Runs an update with torch's two flags for cuDNN set, and leaves them as they were."""

    def __init__(self, update: Update, *, benchmark: bool, deterministic: bool) -> None:
        self._update, self._benchmark, self._deterministic = update, benchmark, deterministic

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

    def __getattr__(self, name: str) -> Any:
        return getattr(self._update, name)

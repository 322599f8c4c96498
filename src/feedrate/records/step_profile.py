"""Hold what one update does, counted and profiled apart from every timed run."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["StepProfile"]


@dataclass(frozen=True)
class StepProfile:
    """Hold what one update does, counted and profiled apart from every timed run; None: not measured."""

    flops_per_step: float | None = None
    """Floating-point operations of forward and backward, as PyTorch's own counter counts them."""
    dtype: str = "fp32"
    """What the matrix products are computed in: `fp32`, `tf32`, `bf16` or `fp16`."""
    peak_flop_per_s: float | None = None
    """Best rate of a large matrix product in that dtype on this device, measured."""
    operators_per_step: float | None = None
    """Operators that the framework dispatched, those inside others left out."""
    kernels_per_step: float | None = None
    """Kernels on a CUDA device; None on the CPU."""
    syncs_per_step: float | None = None
    """Times that the host waited for the device."""
    device_busy_s: float | None = None
    """Seconds a step in which the device ran something."""

    def peak_share(self, step_s: float) -> float | None:
        """Divide the FLOP/s of a step that takes so long by the peak; None: one of the two is not known."""
        if self.flops_per_step is None or not self.peak_flop_per_s:
            return None
        return self.flops_per_step / step_s / self.peak_flop_per_s

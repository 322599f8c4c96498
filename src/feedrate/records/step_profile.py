"""Hold what one update does, counted and profiled apart from every timed run."""

from __future__ import annotations

from dataclasses import dataclass

from feedrate.records.code_place import CodePlace

__all__ = ["PythonUse", "StepProfile"]


@dataclass(frozen=True)
class PythonUse:
    """What the thread that trains does of an update outside of operators."""

    ran_s: float
    """Seconds a step on a processor: in Python, or in what it calls."""
    undisturbed_s: float
    """Seconds of the whole step then, less what others on the machine made it wait, or slowed it down."""
    places: tuple[CodePlace, ...] = ()
    """Functions in which the thread was met during a step, the one met most often first; empty of a person's script,
    which is looked at from outside."""


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
    operators_s: float | None = None
    """Seconds a step in operators, of the thread that trains; the least, as others on the machine stretch them."""
    python: PythonUse | None = None
    """How much of an update passes in Python."""

    def python_share(self, allowed_s: float) -> float:
        """Share of a step in Python beyond `allowed_s` an operator, which its own dispatch may take; 0: not known."""
        if self.python is None or self.operators_per_step is None:
            return 0.0
        return max(0.0, self.python.ran_s - allowed_s * self.operators_per_step) / self.python.undisturbed_s

    def peak_share(self, step_s: float) -> float | None:
        """Divide the FLOP/s of a step that takes so long by the peak; None: one of the two is not known."""
        if self.flops_per_step is None or not self.peak_flop_per_s:
            return None
        return self.flops_per_step / step_s / self.peak_flop_per_s

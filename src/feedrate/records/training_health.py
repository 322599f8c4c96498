"""Tell how well a model answers while it trains: each target by column, and the gradient of each module."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["VARIES", "ForecastHealth", "ModuleGradient", "TrainingHealth"]

VARIES = 0.001
"""Least standard deviation of predictions, as a share of their target's; below, they are the same for every sample."""


@dataclass(frozen=True)
class ForecastHealth:
    """Hold what a model says of one column of a target, such as a horizon, beside the target itself."""

    target: str
    column: int | None = None
    """Number of the column; None: the target has one, or so many that it is taken as a whole."""
    samples: int = 0
    """Values looked at, those that are missing among them."""
    missing: float = 0.0
    """Share of the target's values that are NaN or infinite."""
    predicted_missing: float = 0.0
    """The same of the predictions."""
    mean: float | None = None
    """Of the predictions, where both they and the target are known; None: nowhere, and so below."""
    target_mean: float | None = None
    deviation: float | None = None
    """Standard deviation of the predictions over the samples."""
    target_deviation: float | None = None
    correlation: float | None = None
    """Pearson's, of predictions and target: the information coefficient. None also where one of them does not vary.

    Source: Grinold and Kahn, "Active portfolio management", 2nd edition, 2000, chapter 4.
    """

    @property
    def scale(self) -> float | None:
        """Give SCALE(yhat/y), the deviation of the predictions over the target's; None where that does not vary."""
        if self.deviation is None or not self.target_deviation:
            return None
        return self.deviation / self.target_deviation

    @property
    def is_dead(self) -> bool:
        """Tell whether the target differs from sample to sample, and the predictions do not."""
        return self.scale is not None and self.scale <= VARIES

    @property
    def name(self) -> str:
        """Name the target, with the column in brackets where there are several."""
        return self.target if self.column is None else f"{self.target}[{self.column}]"


@dataclass(frozen=True)
class ModuleGradient:
    """Hold the Euclidean norm of the gradient of one module's trainable parameters, before anything is clipped."""

    module: str
    norm: float


@dataclass(frozen=True)
class TrainingHealth:
    """Tell how a model stood after the last timed window, on batches that it trains on."""

    forecasts: tuple[ForecastHealth, ...] = ()
    """Of each column of each target; empty: the workload names none."""
    gradient_norm: float | None = None
    """Of all trainable parameters together in one more update; None: no finite gradient was seen."""
    gradients: tuple[ModuleGradient, ...] = ()
    """By module, the first part of the parameters' names, with the number where that is a list of modules."""
    without_gradient: tuple[str, ...] = ()
    """Modules that no gradient reached: bypassed, detached or not used; none inside another that is named."""
    parameters: int | None = None
    """Trainable ones, counted by their values; None: from before they were counted."""

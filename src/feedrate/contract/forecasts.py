"""Compare what a model says of each target with the target: what is missing, how both vary, how they go together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from feedrate.errors import ContractError
from feedrate.records.digits import significant
from feedrate.records.training_health import VARIES, ForecastHealth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from feedrate.loading.batch import Batch
    from feedrate.plugin.workload import Workload

__all__ = ["demand_alive", "forecast_health", "forecasts_of"]

Values: TypeAlias = "NDArray[np.float64]"
_MOST_COLUMNS = 64
"""A target of more is taken as a whole: a label of a thousand classes has no horizons."""
_DIGITS = 4


def forecasts_of(
    workload: Workload, outputs: Any, tensors: Mapping[str, Tensor]
) -> Mapping[str, tuple[Tensor, Tensor]]:
    """Give what `workload.forecasts` gives, of the shapes that it promises.

    Raises:
        ContractError: a prediction has not the shape of its target; the text names both.
    """
    forecasts = workload.forecasts(outputs, tensors)
    for name, (predicted, target) in forecasts.items():
        if predicted.shape != target.shape:
            sides = f"the model gives {tuple(predicted.shape)}, the batch has {tuple(target.shape)}"
            raise ContractError(f"{workload}: no matching horizons of {name!r}: {sides}")
    return forecasts


def forecast_health(workload: Workload, model: torch.nn.Module, batches: Iterable[Batch]) -> tuple[ForecastHealth, ...]:
    """Ask the model about some batches, without training on them, and sum up each column of each target.

    Raises:
        ContractError: a prediction has not the shape of its target.
    """
    gathered: dict[str, list[tuple[Values, Values]]] = defaultdict(list)
    for batch in batches:
        with torch.no_grad():
            outputs = model(batch.tensors)
            for name, (predicted, target) in forecasts_of(workload, outputs, batch.tensors).items():
                gathered[name].append((_on_host(predicted), _on_host(target)))
    return tuple(health for name, pairs in gathered.items() for health in _by_column(name, pairs))


def demand_alive(who: str, forecasts: Iterable[ForecastHealth]) -> None:
    """Demand predictions that are numbers and tell samples apart, in every column.

    Raises:
        ContractError: those of one column are not; the text names it.
    """
    for forecast in forecasts:
        if forecast.predicted_missing:
            share = f"{forecast.predicted_missing:.2%} of its predictions are NaN or infinite"
            raise ContractError(f"{who}: {forecast.name} has no numbers: {share}")
        if forecast.is_dead:
            deviations = f"{forecast.deviation:.2g}, of the target {forecast.target_deviation:.2g}"
            raise ContractError(
                f"{who}: {forecast.name} is dead: its predictions have standard deviation {deviations}:"
                f" at least {VARIES} of that is wanted"
            )


def _on_host(tensor: Tensor) -> Values:
    """Copy to float64 (B, H)."""
    values: Values = tensor.detach().float().cpu().numpy().astype(np.float64)
    return values.reshape(len(values), -1)


def _by_column(name: str, pairs: list[tuple[Values, Values]]) -> Iterator[ForecastHealth]:
    predicted, target = (np.concatenate(side) for side in zip(*pairs, strict=True))
    count = target.shape[1]
    if count == 1 or count > _MOST_COLUMNS:
        yield _health(name, None, predicted.ravel(), target.ravel())
        return
    for column in range(count):
        yield _health(name, column, predicted[:, column], target[:, column])


def _health(name: str, column: int | None, predicted: Values, target: Values) -> ForecastHealth:
    is_told, is_known = np.isfinite(predicted), np.isfinite(target)
    said, wanted = predicted[is_told & is_known], target[is_told & is_known]
    return ForecastHealth(
        target=name,
        column=column,
        samples=len(target),
        missing=_digits(1 - is_known.mean()) or 0.0,
        predicted_missing=_digits(1 - is_told.mean()) or 0.0,
        mean=_digits(said.mean()) if len(said) else None,
        target_mean=_digits(wanted.mean()) if len(said) else None,
        deviation=_digits(said.std()) if len(said) > 1 else None,
        target_deviation=_digits(wanted.std()) if len(said) > 1 else None,
        correlation=_correlation(said, wanted),
    )


def _correlation(said: Values, wanted: Values) -> float | None:
    if len(said) < 2 or not said.std() or not wanted.std():
        return None
    return _digits(np.corrcoef(said, wanted)[0, 1])


def _digits(value: float) -> float | None:
    return significant(float(value), _DIGITS) if np.isfinite(value) else None

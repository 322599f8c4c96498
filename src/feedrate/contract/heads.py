"""Hold what a model answers against what its loss and its targets need, on one batch and before anything is timed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from feedrate.contract.forecasts import forecasts_of
from feedrate.errors import ContractError, one_line

if TYPE_CHECKING:
    from feedrate.loading.batch import Batch
    from feedrate.plugin.workload import Workload

__all__ = ["MISFITS", "demand_fit"]

MISFITS = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What a loss raises over an answer that it does not know, or whose shape is another."""


def demand_fit(workload: Workload, model: torch.nn.Module, batch: Batch) -> None:
    """Ask the model about a batch, and loss and forecasts about its answer; nothing is trained.

    Raises:
        ContractError: the answer is none that they take; the text names both sides.
    """
    tensors = batch.tensors
    with torch.no_grad():
        outputs = model(tensors)
        for part, ask in (("loss", workload.loss), ("forecasts", workload.forecasts)):
            try:
                ask(outputs, tensors)
            except torch.OutOfMemoryError:
                raise
            except MISFITS as error:
                sides = f"the model gives {_described(outputs)}; the batch has {_described(tensors)}"
                raise ContractError(
                    f"{workload}: no matching horizons: its {part} fails ({one_line(error)}): {sides}"
                ) from error
        forecasts_of(workload, outputs, tensors)


def _described(tensors: Any) -> str:
    """Name tensors with their shapes, or the one without a name."""
    if isinstance(tensors, Mapping):
        return ", ".join(f"{name} {_form(tensor)}" for name, tensor in tensors.items()) or "nothing"
    return _form(tensors)


def _form(value: object) -> str:
    return str(tuple(value.shape)) if isinstance(value, Tensor) else type(value).__name__

"""Guess the weighted sum of eight numbers: rows in Arrow files, a linear model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np
from feedrate import Block, CounterRng, Field, Workload, hookimpl

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from torch import Tensor

    Columns: TypeAlias = dict[str, NDArray[Any]]
    Forecasts: TypeAlias = Mapping[str, tuple[Tensor, Tensor]]
    Parameters: TypeAlias = Iterable[torch.nn.Parameter]

ROWS = {"tiny": 512, "small": 65_536, "full": 4_194_304, "seed": 4_194_304}
FILES = 4
WEIGHTS = np.array([1, -2, 3, -1, 2, 0.5, -3, 1], dtype=np.float32)


@dataclass(frozen=True)
class WeightedSum(Workload):
    """Recover eight weights by regression. Knobs would stand here, as in a loader."""

    name = "weighted_sum"
    format: ClassVar[str] = "arrow"
    # Count it up when rows change: data sets that were written before are refused.
    version: ClassVar[int] = 1

    @property
    def storage(self) -> Mapping[str, str]:
        return {"compression": "lz4", "lists": "fixed"}

    def stored_fields(self, size: str) -> tuple[Field, ...]:
        # Name, dtype on disk, dtype in the model, shape of a row; the row id is first.
        return (
            Field("row_id", "uint64", "int64"),
            Field("x", "uint8", "float32", (8,)),
            Field("y", "float32", "float32"),
        )

    def row_groups(self, size: str) -> tuple[tuple[int, ...], ...]:
        # Each file holds two record batches.
        half = ROWS[size] // FILES // 2
        return ((half, half),) * FILES

    def rows(self, size: str, seed: int, start: int, stop: int) -> Columns:
        # Every row follows from its number alone, whatever is generated with it.
        x = CounterRng(seed, 1, 1).bytes(start, stop)
        y = x.astype(np.float32) @ WEIGHTS / np.float32(255)
        return {"row_id": np.arange(start, stop, dtype=np.uint64), "x": x, "y": y}

    def blocks(self, size: str) -> tuple[Block, ...]:
        # One read a file; all of its rows are samples, 64 to a batch.
        rows = ROWS[size] // FILES
        starts = range(0, ROWS[size], rows)
        return tuple(Block(at, at + rows, ((at, at + rows),), 64) for at in starts)

    def model(self, size: str) -> torch.nn.Module:
        # Imported here, so that `feedrate list` needs no torch.
        from torch import nn

        class Linear(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.weights = nn.Linear(8, 1)

            def forward(self, tensors: Mapping[str, Tensor]) -> Tensor:
                outputs: Tensor = self.weights(tensors["x"] / 255)
                return outputs[:, 0]

        return Linear()

    def loss(self, outputs: Any, tensors: Mapping[str, Tensor]) -> Tensor:
        miss: Tensor = outputs - tensors["y"]
        return (miss**2).mean()

    def forecasts(self, outputs: Any, tensors: Mapping[str, Tensor]) -> Forecasts:
        # Each target beside what the model says of it: a dead one is named.
        return {"y": (outputs, tensors["y"])}

    def optimizer(self, parameters: Parameters) -> torch.optim.Optimizer:
        from torch.optim import SGD

        return SGD(parameters, lr=0.05)


@hookimpl
def workloads() -> Iterable[Workload]:
    return (WeightedSum(),)

"""Define the workload `known`: rows that are as large as asked, and a task that costs next to nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from feedrate.data.counter_rng import CounterRng
from feedrate.data.field import Field
from feedrate.plugin.strategy import knob
from feedrate.plugin.workload import Workload

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from feedrate.loading.block import Block

__all__ = ["Known"]

WEIGHTS = np.array([1, -2, 3, -1, 2, 0.5, -3, 1], dtype=np.float32)
BATCH_ROWS = 16
_X, _NOISE, _PAYLOAD = range(20, 23)  # streams of `CounterRng`
_BATCHES = {"tiny": 8, "small": 64, "full": 512, "seed": 512}
"""Of an epoch. Few: what happens at the end of an epoch must happen often."""
_BATCHES_A_BLOCK = 2


@dataclass(frozen=True)
class Known(Workload):
    """Guess a weighted sum of eight numbers that lie beside `row_bytes` of letters; epochs of a few batches."""

    name = "known"
    hidden = True
    format: ClassVar[str] = "arrow"
    version: ClassVar[int] = 2
    storage_knobs: ClassVar[tuple[str, ...]] = ("row_bytes", "compression")

    row_bytes: int = knob(0, 65_536, low=0, high=1 << 24)
    """Further bytes of a row, which nobody looks at: they are read, decoded, handed over and copied."""
    compression: str = knob("none", "lz4", "zstd")
    guess: str = knob("sum", "constant")
    """`constant`: a model that learns, and says the same of every row."""

    @property
    def storage(self) -> Mapping[str, str]:
        return {"compression": self.compression, "lists": "fixed"}

    def stored_fields(self, size: str) -> tuple[Field, ...]:
        del size
        plain = (
            Field("row_id", "uint64", "int64"),
            Field("x", "float32", "float32", (len(WEIGHTS),)),
            Field("y", "float32", "float32"),
        )
        return (*plain, Field("payload", "uint8", "uint8", (self.row_bytes,))) if self.row_bytes else plain

    def row_groups(self, size: str) -> tuple[tuple[int, ...], ...]:
        blocks = _BATCHES[size] // _BATCHES_A_BLOCK
        return tuple((BATCH_ROWS * _BATCHES_A_BLOCK,) for _ in range(blocks))

    def rows(self, size: str, seed: int, start: int, stop: int) -> dict[str, NDArray[np.generic]]:
        del size
        x = CounterRng(seed, _X, len(WEIGHTS)).normal(start, stop)
        # Noise keeps the loss above 0 however long somebody trains.
        # No matrix product: its rounding depends on how many rows it is given.
        y = (x * WEIGHTS).sum(axis=1) + 0.1 * CounterRng(seed, _NOISE, 1).normal(start, stop)[:, 0]
        columns: dict[str, NDArray[np.generic]] = {"row_id": np.arange(start, stop, dtype=np.uint64), "x": x, "y": y}
        if self.row_bytes:
            raw = CounterRng(seed, _PAYLOAD, -(-self.row_bytes // 8)).bytes(start, stop)[:, : self.row_bytes]
            # Of sixteen letters: a compressor finds half of it, and pays for every byte.
            columns["payload"] = raw & np.uint8(15)
        return columns

    def blocks(self, size: str) -> tuple[Block, ...]:
        from feedrate.loading.block import Block

        ends = range(0, (_BATCHES[size] + 1) * BATCH_ROWS, BATCH_ROWS * _BATCHES_A_BLOCK)
        return tuple(Block(start, stop, ((start, stop),), BATCH_ROWS) for start, stop in pairwise(ends))

    def model(self, size: str) -> torch.nn.Module:
        from feedrate.calibration.strategies._synthetic_models import Constant, Guess

        del size
        return Constant() if self.guess == "constant" else Guess(len(WEIGHTS))

    def loss(self, outputs: Any, tensors: Mapping[str, Tensor]) -> Tensor:
        miss: Tensor = outputs - tensors["y"]
        return (miss**2).mean()

    def forecasts(self, outputs: Any, tensors: Mapping[str, Tensor]) -> Mapping[str, tuple[Tensor, Tensor]]:
        return {"y": (outputs, tensors["y"])}

    def optimizer(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        from torch.optim import SGD

        return SGD(parameters, lr=0.05)

"""The training around each case: a model of one layer, and work of a known kind and length beside it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

__all__ = ["Work", "busy", "cured", "idle", "nothing", "train"]

Work: TypeAlias = Callable[[Tensor], object]
"""What a step does with its inputs beside training one layer."""
_PASSES = 1_000_000
"""Over the data: whoever times the script ends it."""


def cured() -> bool:
    """Whether the twin was asked for: the same training with the cure."""
    return "--cured" in sys.argv[1:]


def nothing(inputs: Tensor) -> None:
    """Do no more than the one layer."""
    del inputs


def busy(ms: float) -> Work:
    """Multiply matrices on one thread for so long."""
    matrix = torch.ones(64, 64)

    def work(inputs: Tensor) -> None:
        end = time.perf_counter() + ms / 1000
        while time.perf_counter() < end:
            matrix @ matrix

    return work


def idle(ms: float) -> Work:
    """Wait for so long, as for a device that needs no processor."""
    return lambda inputs: time.sleep(ms / 1000)


def train(loader: Iterable[Any], work: Work = nothing, passes: int = _PASSES) -> None:
    """Train one layer on the first tensor of each batch, so many times over the data."""
    torch.set_num_threads(1)
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), 1e-9)
    for _ in range(passes):
        for batch in loader:
            inputs = batch if isinstance(batch, Tensor) else batch[0]
            work(inputs)
            optimizer.zero_grad()
            model(inputs.reshape(len(inputs), -1)[:, :1].float()).pow(2).mean().backward()
            optimizer.step()

"""Train, and do something that gets worse with every update, or its cure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from feedrate.plugin.step import Step
from feedrate.plugin.strategy import knob

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from feedrate.loading.batch import Batch
    from feedrate.plugin.step import Loss, Update

    Extra = Callable[[], object]

__all__ = ["Lasting"]

_BOUND = 8
"""Of what a healthy step keeps."""
_WIDE = 1 << 18
"""Bytes of what is kept from an update."""


@dataclass(frozen=True)
class Lasting(Step):
    """Train in fp32, and keep something from update to update: without end, or, `cured`, as one should."""

    name = "lasting"
    hidden = True
    kept: str = knob("graph", "outputs", "state", "denormals", "cycles", "objects")
    """A sum of losses with its graph; outputs in a list; a list that each update adds up; an average that fades to
    denormal numbers; outputs in objects that refer to each other in a circle; many small objects."""
    cured: bool = knob(False, True)
    """The sum is detached, lists are bounded, values stay far from 0, there is no circle, objects are one array."""

    def bind(self, model: torch.nn.Module, loss: Loss, optimizer: torch.optim.Optimizer) -> Update:
        if self.kept == "graph":
            return _summing(model, loss, optimizer, cured=self.cured)
        from feedrate.builtin.steps.fp32 import Fp32

        train = Fp32().bind(model, loss, optimizer)
        makers: dict[str, Callable[[bool], Extra]] = {
            "outputs": _outputs, "state": _state, "denormals": _denormals, "cycles": _cycles, "objects": _objects,
        }  # fmt: skip
        extra = makers[self.kept](self.cured)

        def update(batch: Batch) -> Tensor:
            value = train(batch)
            extra()
            return value

        return update


def _summing(model: torch.nn.Module, loss: Loss, optimizer: torch.optim.Optimizer, *, cured: bool) -> Update:
    """Keep a running loss, whose graph holds what the update computed."""
    import torch

    total = torch.zeros(())

    def update(batch: Batch) -> Tensor:
        nonlocal total
        optimizer.zero_grad(set_to_none=True)
        value = loss(model(batch.tensors), batch.tensors)
        # As large as the activations of a small model.
        wide = value * torch.ones(_WIDE // 4)
        value = value + 0 * (wide * wide).sum()
        value.backward(retain_graph=not cured)
        optimizer.step()
        total = total + (value.detach() if cured else value)
        return value.detach()

    return update


def _outputs(cured: bool) -> Extra:
    import torch

    kept: deque[Tensor] = deque(maxlen=_BOUND if cured else None)
    return lambda: kept.append(torch.ones(_WIDE // 4))


def _state(cured: bool) -> Extra:
    """Add up a list of tensors that each update adds to."""
    import torch

    kept: deque[Tensor] = deque(maxlen=_BOUND if cured else None)

    def extra() -> None:
        kept.append(torch.ones(_NUMBERS))
        sum(kept, torch.zeros(_NUMBERS))

    return extra


_NUMBERS = 1 << 17

_ROWS, _COLUMNS = 128, 1024
_FIRST_UPDATE, _ROWS_AN_UPDATE = 16, 0.3
_TIMES = 8
_DECAY = 0.97


def _denormals(cured: bool) -> Extra:
    """Let averages fade, some rows with each update, to the smallest number that they may have."""
    import torch

    smallest = 1e-30 if cured else 1e-41
    updates = _FIRST_UPDATE + torch.arange(_ROWS, dtype=torch.float64) / _ROWS_AN_UPDATE
    start = torch.finfo(torch.float32).tiny * _DECAY**-updates
    average = start.float()[:, None].expand(_ROWS, _COLUMNS).contiguous()

    def extra() -> None:
        with torch.no_grad():
            for _ in range(_TIMES):
                average.mul_(_DECAY ** (1 / _TIMES))
            average.clamp_(min=smallest)

    return extra


class _Linked:
    """Refers to its outputs, and to itself if it is to be in a circle."""

    def __init__(self, outputs: Tensor, *, circle: bool) -> None:
        self.outputs = outputs
        self.self = self if circle else None


def _cycles(cured: bool) -> Extra:
    import torch

    return lambda: _Linked(torch.ones(_WIDE), circle=not cured)


_OBJECTS, _NEW = 150_000, 20_000


def _objects(cured: bool) -> Extra:
    """Keep the latest numbers, each in a list of its own, or all in one array."""
    import numpy as np

    if cured:
        array = np.zeros((_OBJECTS, 2))

        def roll() -> None:
            array[:_NEW] += 1

        return roll
    kept = deque(([number] for number in range(_OBJECTS)), maxlen=_OBJECTS)
    # All are made before any goes: the collector counts what is made less what goes.
    return lambda: kept.extend([[number] for number in range(_NEW)])

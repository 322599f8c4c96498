"""Models that each answer wrongly in one way, beside the healthy ones that they differ from in one thing."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class TwoHorizons(nn.Module):
    """Guesses, (B, 2), for a near and a far horizon; `dead`: of the far one it has but one number."""

    def __init__(self, *, dead: bool) -> None:
        super().__init__()
        self.near, self.far, self.dead = nn.Linear(6, 1), nn.Linear(6, 1), dead

    def forward(self, tensors: Mapping[str, Tensor]) -> Tensor:
        x = tensors["x"] / 10
        return torch.cat((self.near(x), self.far(x * 0 if self.dead else x)), dim=1)


class Detour(nn.Module):
    """A guess, (B,), through two modules and one around them, which may be left out or cut off from the loss."""

    def __init__(self, fault: str = "") -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(6, 8), nn.Linear(8, 1)
        self.around = nn.Sequential(nn.Linear(6, 8), nn.Linear(8, 1))
        self.fault = fault

    def forward(self, tensors: Mapping[str, Tensor]) -> Tensor:
        x = tensors["x"] / 10
        guess: Tensor = self.outer(self.inner(x))[:, 0]
        if self.fault == "bypassed":
            return guess
        around: Tensor = self.around(x)[:, 0]
        return guess + (around.detach() if self.fault == "detached" else around)


class Column(nn.Module):
    """A guess of an axis too many, (B, 1), which a loss takes without a word."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(6, 1)

    def forward(self, tensors: Mapping[str, Tensor]) -> Tensor:
        guess: Tensor = self.inner(tensors["x"] / 10)
        return guess

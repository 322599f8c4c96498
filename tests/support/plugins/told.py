"""A plugin in one file: a loader that a variable slows down, as it stood when Python began; a step that counts."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import reread
import torch

from feedrate import Batch, Loader, Step, Workload, count_event, hookimpl, knob
from feedrate.builtin.steps.fp32 import Fp32

if TYPE_CHECKING:
    from feedrate import Loss, Plan, Stream, Update

TIMES = int(os.environ.get("REREADS", "1"))


@dataclass(frozen=True)
class Told(reread.Reread):
    """Read and decode each block as often as the variable REREADS says."""

    name = "told"

    def stream(self, plan: Plan) -> Stream:
        return reread.Reread(times=TIMES).stream(plan)


@dataclass(frozen=True)
class Counting(Fp32):
    """Build a graph for each batch, and count that."""

    name = "counting"
    each: int = knob(2)

    def bind(self, model: torch.nn.Module, loss: Loss, optimizer: torch.optim.Optimizer) -> Update:
        update = super().bind(model, loss, optimizer)

        def counted(batch: Batch) -> torch.Tensor:
            count_event("graph [built]", self.each)
            return update(batch)

        return counted


@hookimpl
def loaders() -> Iterable[type[Loader]]:
    return (Told,)


@hookimpl
def steps() -> Iterable[type[Step]]:
    return (Counting,)


@hookimpl
def workloads() -> Iterable[Workload]:
    return reread.workloads()

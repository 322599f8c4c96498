"""Steps that each break one promise, and the truthful one that they differ from in one thing."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from feedrate.loading.batch import Batch
from feedrate.plugin.step import Loss, Step, Update


@dataclass(frozen=True)
class PlainStep(Step):
    """Train in fp32."""

    name = "plain"

    def bind(self, model: nn.Module, loss: Loss, optimizer: torch.optim.Optimizer) -> Update:
        def update(batch: Batch) -> Tensor:
            optimizer.zero_grad()
            value = loss(model(batch.tensors), batch.tensors)
            self.backward(value)
            optimizer.step()
            return self.answer(value, batch)

        self.prepare(model)
        return update

    def prepare(self, model: nn.Module) -> None:
        pass

    def backward(self, value: Tensor) -> None:
        value.backward()

    def answer(self, value: Tensor, batch: Batch) -> Tensor:
        del batch
        return value.detach()


@dataclass(frozen=True)
class ReturnsItsGraph(PlainStep):
    name = "returns_its_graph"

    def answer(self, value: Tensor, batch: Batch) -> Tensor:
        return value


@dataclass(frozen=True)
class FreezesAParameter(PlainStep):
    name = "freezes_a_parameter"

    def prepare(self, model: nn.Module) -> None:
        next(model.parameters()).requires_grad_(False)


@dataclass(frozen=True)
class HardlyMoves(PlainStep):
    name = "hardly_moves"

    def backward(self, value: Tensor) -> None:
        (value / 1000).backward()


@dataclass(frozen=True)
class MakesATensorOfTheHost(PlainStep):
    """As a step does that was tried on a CPU alone."""

    name = "makes_a_tensor_of_the_host"

    def answer(self, value: Tensor, batch: Batch) -> Tensor:
        return value.detach() * torch.ones(1)


@dataclass(frozen=True)
class WritesToItsBatch(PlainStep):
    name = "writes_to_its_batch"

    def answer(self, value: Tensor, batch: Batch) -> Tensor:
        batch.tensors["unsure"].zero_()
        return value.detach()

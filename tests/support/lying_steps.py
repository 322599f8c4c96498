"""Steps that each break one promise, and the truthful one that they differ from in one thing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from feedrate.errors import UnavailableError
from feedrate.loading.accelerator import Accelerator, Graph
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


@dataclass(frozen=True)
class Replaying(Step):
    """The truthful one of those that replay a graph: batches are copied into what it reads, losses out of it."""

    name = "replaying"
    on_host = False

    def bind(self, model: nn.Module, loss: Loss, optimizer: torch.optim.Optimizer) -> Update:
        raise UnavailableError("it needs a device")

    def bind_on(
        self, accelerator: Accelerator | None, model: nn.Module, loss: Loss, optimizer: torch.optim.Optimizer
    ) -> Update:
        assert accelerator is not None
        device = accelerator
        device.make_capturable(optimizer)
        plain = PlainStep().bind(model, loss, optimizer)
        captured: list[tuple[Graph, Batch, Tensor]] = []
        calls = iter(range(1_000_000))

        def update(batch: Batch) -> Tensor:
            if next(calls) == 0:
                return plain(batch)
            if not captured:
                read = self.input(batch)
                with device.capture() as graph:
                    value = plain(read)
                captured.append((graph, read, value))
            graph, read, value = captured[0]
            self.copy(batch, read, device)
            graph.replay()
            return self.answer(value)

        return update

    def input(self, batch: Batch) -> Batch:
        return batch.copied()

    def copy(self, batch: Batch, read: Batch, device: Accelerator) -> None:
        for name, tensor in read.tensors.items():
            tensor.copy_(batch.tensors[name], non_blocking=True)

    def answer(self, value: Tensor) -> Tensor:
        return value.clone()


@dataclass(frozen=True)
class RebindsItsInput(Replaying):
    """Hands each batch to a graph that knows the addresses of the first."""

    name = "rebinds_its_input"

    def input(self, batch: Batch) -> Batch:
        return batch

    def copy(self, batch: Batch, read: Batch, device: Accelerator) -> None:
        pass


@dataclass(frozen=True)
class ReplaysTooEarly(Replaying):
    """Copies the batch on a stream for which the replay does not wait."""

    name = "replays_too_early"

    def copy(self, batch: Batch, read: Batch, device: Accelerator) -> None:
        with device.using(device.stream()):
            super().copy(batch, read, device)


@dataclass(frozen=True)
class LendsItsLoss(Replaying):
    """Returns the tensor that the next replay writes to."""

    name = "lends_its_loss"

    def answer(self, value: Tensor) -> Tensor:
        return value


@dataclass(frozen=True)
class TrainsAsItEvaluates(PlainStep):
    """Says that it leaves the model as it is."""

    name = "trains_as_it_evaluates"
    updates: ClassVar[bool] = False


@dataclass(frozen=True)
class EvaluatesOneBatch(PlainStep):
    """Says of every batch what it said of the first."""

    name = "evaluates_one_batch"
    updates: ClassVar[bool] = False

    def bind(self, model: nn.Module, loss: Loss, optimizer: torch.optim.Optimizer) -> Update:
        said: list[Tensor] = []

        def update(batch: Batch) -> Tensor:
            if not said:
                said.append(loss(model(batch.tensors), batch.tensors).detach())
            return said[0].clone()

        return update

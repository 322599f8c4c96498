"""Train by replaying a CUDA graph of the whole update."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from feedrate.errors import UnavailableError, one_line
from feedrate.plugin.step import Step
from feedrate.plugin.strategy import knob
from feedrate.plugin.updates import forward_and_loss, plain_update
from feedrate.records.cell_traits import Precision, StepTraits

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from feedrate.loading.accelerator import Accelerator, Graph
    from feedrate.loading.batch import Batch
    from feedrate.plugin.step import Loss, Update

__all__ = ["Graphed"]

_PRECISIONS: Mapping[str, Precision] = {"fp32": "fp32", "bf16": "bf16"}
_WARM_UPS = 3
"""Updates that run before one is captured: libraries allocate their workspaces, the optimizer its state."""
_Form: TypeAlias = "tuple[tuple[str, torch.Size, torch.dtype], ...]"
"""Names, shapes and dtypes of a batch's tensors: what a graph is captured for."""


@dataclass(frozen=True)
class Graphed(Step):
    """Capture forward, loss, backward and optimizer as one CUDA graph, and replay it on each batch that is copied in.

    Of each size of batches the second is captured, once three updates have run, of at most `graphs` sizes; batches of
    other sizes are trained on as they are. A graph keeps the memory of its activations.
    """

    name = "graphed"
    on_request = True
    on_host = False
    # Three before the first graph, and the one that is captured.
    settles_after = _WARM_UPS + 1
    precision: str = knob("fp32", "bf16")
    graphs: int = knob(2, low=1, high=64)
    """Sizes of batches that get one; by default that of most batches and that of the last of an epoch."""

    def traits(self) -> StepTraits:
        return StepTraits(_PRECISIONS[self.precision], compiled=False, captured=True)

    def bind(self, model: torch.nn.Module, loss: Loss, optimizer: torch.optim.Optimizer) -> Update:
        return self.bind_on(None, model, loss, optimizer)

    def bind_on(
        self, accelerator: Accelerator | None, model: torch.nn.Module, loss: Loss, optimizer: torch.optim.Optimizer
    ) -> Update:
        import torch

        from feedrate.builtin.steps.precision import at_precision

        if accelerator is None:
            raise UnavailableError(f"{self}: nothing can be captured on the host; it needs a device beside it")
        accelerator.make_capturable(optimizer)
        forward = forward_and_loss(model, loss, torch.bfloat16 if self.precision == "bf16" else None)
        plain = at_precision(plain_update(forward, optimizer), "highest")
        return _GraphedUpdate(self, accelerator, plain)


@dataclass(frozen=True)
class _Captured:
    """An update of one form of batches."""

    graph: Graph
    batch: Batch
    """What the graph reads."""
    loss: Tensor
    """What it writes."""

    def replay(self, batch: Batch) -> Tensor:
        for name, tensor in self.batch.tensors.items():
            tensor.copy_(batch.tensors[name], non_blocking=True)
        self.graph.replay()
        return self.loss.clone()


class _GraphedUpdate:
    """Runs a plain update until it is captured, and its graph from then on."""

    def __init__(self, step: Graphed, accelerator: Accelerator, plain: Update) -> None:
        self._step, self._accelerator, self._plain = step, accelerator, plain
        # What is captured must not have met the default stream: its backward pass goes where its forward pass went.
        self._side = accelerator.stream()
        self._captured: dict[_Form, _Captured] = {}
        self._met: set[_Form] = set()
        self._uncaptured = 0
        self.replayed = 0
        """Updates in which only the graph ran."""

    def __call__(self, batch: Batch) -> Tensor:
        """See `Update`."""
        form = _form(batch)
        captured = self._captured.get(form)
        if captured is not None:
            self.replayed += 1
            return captured.replay(batch)
        if form in self._met and self._uncaptured >= _WARM_UPS and len(self._captured) < self._step.graphs:
            captured = self._captured[form] = self._capture(batch)
            return captured.replay(batch)
        self._met.add(form)
        self._uncaptured += 1
        return self._run(batch)

    def _run(self, batch: Batch) -> Tensor:
        here = self._accelerator.current_stream()
        self._side.wait_stream(here)
        with self._accelerator.using(self._side):
            loss = self._plain(batch)
        here.wait_stream(self._side)
        self._accelerator.record_stream(loss, here)
        return loss

    def _capture(self, batch: Batch) -> _Captured:
        """Capture the update of a batch, which is not made thereby.

        Raises:
            UnavailableError: something in it waits for the device, or copies from the host.
        """
        import torch

        kept = batch.copied()
        try:
            with self._accelerator.capture() as graph:
                loss = self._plain(kept)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise UnavailableError(
                f"{self._step}: an update of this model cannot be captured: {one_line(error)}; train it with compiled"
            ) from error
        return _Captured(graph, kept, loss)


def _form(batch: Batch) -> _Form:
    return tuple((name, tensor.shape, tensor.dtype) for name, tensor in batch.tensors.items())

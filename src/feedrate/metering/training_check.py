"""Does the step train? A step that does not is never given a number."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from feedrate.contract.forecasts import demand_alive, forecast_health
from feedrate.contract.gradients import gradient_norms
from feedrate.contract.workloads import VARIES, spread
from feedrate.errors import ContractError
from feedrate.records.answer import TrainingResult
from feedrate.records.training_health import TrainingHealth

if TYPE_CHECKING:
    from torch import Tensor

    from feedrate.loading.batch import Batch
    from feedrate.plugin.cell import Cell
    from feedrate.plugin.step import Update

__all__ = ["TrainingCheck"]

_FIRST = 3
_LAST = 10
"""Losses that stand for the start and the end of a run: single ones are noise."""
_MANY = 200
"""Updates from which a loss that does not fall is no accident: a slow device makes some dozens."""


class TrainingCheck:
    """Watches a step while it is measured; everything is compared after the last window."""

    def __init__(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer, *, late: bool) -> None:
        """Watch updates of that model by that optimizer; `late`: on a device, which nothing here may wait for."""
        self._late = late
        self._device_losses: list[Tensor] = []
        # Of a CPU as numbers: small tensors would lie between activations and keep the heap from reusing their memory.
        self._host_losses = array("d")
        self._updates = 0
        self.in_force: Mapping[str, object] = {}
        """What torch was set to while the first update ran."""
        self._update: Update | None = None
        self._before = [p.detach().clone() for p in model.parameters() if p.requires_grad]
        optimizer.register_step_post_hook(self._count)

    def _count(self, *_: object) -> None:
        if not self._updates:
            self.in_force = _in_force()
        self._updates += 1

    def watched(self, update: Update) -> Callable[[Batch], None]:
        """The update, its losses kept where nothing waits for them: on a device, or as numbers of the host."""
        on_device, on_host, late = self._device_losses, self._host_losses, self._late
        self._update = update

        def watch(batch: Batch) -> None:
            loss = update(batch)
            on_device.append(loss) if late else on_host.append(loss.item())

        return watch

    @property
    def _losses(self) -> Tensor:
        """Give all losses in their order, float32 on the host."""
        if self._host_losses:
            return torch.tensor(self._host_losses, dtype=torch.float32)
        return torch.stack([loss.float().reshape(()) for loss in self._device_losses]).cpu()

    def result(self, cell: Cell, model: torch.nn.Module, batches: Sequence[Batch]) -> TrainingResult:
        """Say how training went; call it after the last window. It asks the model about the batches, and trains on one.

        Raises:
            ContractError: a loss is not finite or not above 0, the loss did not fall, no parameter moved, or
                predictions do not vary, be it those of one horizon.
        """
        losses = self._losses
        _demand(bool(losses.isfinite().all()), cell, f"loss {_first_not(losses.isfinite(), losses)} is not finite")
        _demand(bool((losses > 0).all()), cell, f"loss {_first_not(losses > 0, losses)} is not above 0")
        moved = any(
            not torch.equal(before, after.detach())
            for before, after in zip(self._before, (p for p in model.parameters() if p.requires_grad), strict=True)
        )
        first, last = float(losses[:_FIRST].mean()), float(losses[-_LAST:].mean())
        if not cell.step.updates:
            _demand(not moved, cell, "it says that it leaves the model as it is, and a parameter moved")
            return TrainingResult(first, last, 0)
        _demand(moved, cell, "no parameter moved")
        _demand(
            last < first + _noise(losses),
            cell,
            f"the loss went from {first:.4g} to {last:.4g} in {len(losses)} steps: it must fall",
        )
        deviation = spread(model, batches[0])
        _demand(
            deviation > VARIES,
            cell,
            f"predictions have standard deviation {deviation:.2g}: at least {VARIES} is wanted",
        )
        forecasts = forecast_health(cell.workload, model, batches)
        demand_alive(f"{cell.step} on {cell.workload}", forecasts)
        scale, replayed = (getattr(self._update, name, None) for name in ("loss_scale", "replayed"))
        # Of a replayed one the optimizer does not hear.
        skipped, count = len(losses) - self._updates - (replayed or 0), len(losses)
        health = self._with_gradients(TrainingHealth(forecasts), model, batches[0], scale)
        return TrainingResult(
            first,
            last,
            skipped,
            None if scale is None else float(scale),
            None if replayed is None else round(replayed / count, 3),
            health,
        )

    def _with_gradients(
        self, health: TrainingHealth, model: torch.nn.Module, batch: Batch, scale: float | None
    ) -> TrainingHealth:
        """Make one more update, and look at its gradients."""
        if self._update is None:
            return health
        with gradient_norms(model, scale or 1.0) as norms:
            self._update(batch.without_views())
            gradients = norms()
        return replace(
            health,
            gradient_norm=gradients.total,
            gradients=gradients.by_module,
            without_gradient=gradients.without,
            parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
        )


def _in_force() -> Mapping[str, object]:
    """Read how torch multiplies at this moment; a step may have set it by ways that do not go together with asking."""
    cudnn = torch.backends.cudnn
    with suppress(RuntimeError):
        return {
            "matmul precision": torch.get_float32_matmul_precision(),
            "cudnn tf32": cudnn.allow_tf32,
            "cudnn benchmark": cudnn.benchmark,
        }
    return {}


def _noise(losses: Tensor) -> float:
    """Tell how far the ends of a run may lie apart by the batches that they met; nothing where there are many steps.

    Twice the standard error of the difference of both means, with the deviation of all losses: that of a loss which
    climbs steadily is a third of its way, so that it is not taken for noise.
    """
    if len(losses) >= _MANY:
        return 0.0
    return 2 * float(losses.std(correction=0)) * math.sqrt(1 / _FIRST + 1 / _LAST)


def _demand(kept: bool, cell: Cell, reason: str) -> None:
    if not kept:
        raise ContractError(f"{cell.step} on {cell.workload}: {reason}")


def _first_not(good: Tensor, losses: Tensor) -> str:
    wrong = losses[~good]
    return f"{float(wrong[0]):.4g}" if len(wrong) else ""

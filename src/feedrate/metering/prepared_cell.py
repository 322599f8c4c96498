"""A cell with its model built and its update bound, ready to be timed on its device."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TYPE_CHECKING

import torch

from feedrate.contract.heads import MISFITS, demand_fit
from feedrate.loading.accelerator import accelerator_of
from feedrate.loading.plan import Placement
from feedrate.loading.ready_batches import ready_on_device
from feedrate.metering.phase_clock import PhaseClock
from feedrate.metering.training_check import TrainingCheck
from feedrate.metering.training_loop import TrainingLoop
from feedrate.records.answer import TrainingResult
from feedrate.system.load_monitor import LoadMonitor

if TYPE_CHECKING:
    from pathlib import Path

    from feedrate.data.dataset import DataSet
    from feedrate.data.field import Cast
    from feedrate.loading.batch import Batch
    from feedrate.loading.plan import Plan
    from feedrate.metering.budget import MeasurementBudget
    from feedrate.metering.device import Device
    from feedrate.metering.ranks import Ranks
    from feedrate.metering.turns import Turns
    from feedrate.plugin.cell import Cell
    from feedrate.system.sampling_flags import SamplingFlags

__all__ = ["PreparedCell", "plan_of"]

_RESIDENT_BYTES = 64 << 20
"""Of the batches behind T_S: more than the last-level caches hold."""
_CHECKED_BATCHES, _CHECKED_SAMPLES = 8, 512
"""The most that a model is asked about when all is measured: it costs as many forward passes."""


class Idle(torch.optim.Optimizer):
    """An optimizer of nothing, for steps that train nothing: a real one takes seconds to import."""

    def __init__(self) -> None:
        self._optimizer_step_post_hooks = OrderedDict()


def plan_of(cell: Cell, data: DataSet, device: Device, logs: str, ranks: Ranks, own_copy: Path | None) -> Plan:
    """Plan endless epochs of this rank's part of the cell's data set, with what is free on the device now."""
    cast: Cast = "host" if cell.loader.cast == "host" else "device"
    plan = cell.workload.plan(data, cell.size, epochs=None, cast=cast, rank=ranks.rank, world_size=ranks.count)
    return replace(plan, placement=Placement(cell.device, device.room_bytes(), logs, own_copy=own_copy))


@dataclass(frozen=True)
class PreparedCell:
    """One cell in this process: its model on the device, its update in a loop, the machine watched meanwhile."""

    cell: Cell
    data: DataSet
    loop: TrainingLoop
    monitor: LoadMonitor
    model: torch.nn.Module
    check: TrainingCheck | None
    """Watches the updates; None: the step trains nothing."""
    clock: PhaseClock
    """Adds up where the time goes."""
    turns: Turns
    """With another process that measures."""
    logs: str = ""
    """Folder where processes of a loader may leave their dumps; empty: nowhere."""
    own_copy: Path | None = None
    """What the loader reads in place of the data set; None: it reads that."""

    @classmethod
    def build(
        cls,
        cell: Cell,
        data: DataSet,
        device: Device,
        monitor: LoadMonitor,
        effort: MeasurementBudget,
        marks: SamplingFlags,
        clock: PhaseClock,
        turns: Turns,
        logs: str,
        ranks: Ranks,
        own_copy: Path | None,
    ) -> PreparedCell:
        """Build the model from a fixed seed and bind the step to it."""
        torch.manual_seed(0)
        if not cell.step.trains:
            model: torch.nn.Module = torch.nn.Identity()
            update: Callable[[Batch], object] = cell.step.bind(model, cell.workload.loss, Idle())
            loop = TrainingLoop(update, device, marks, effort, ranks=ranks)
            return cls(cell, data, loop, monitor, model, None, clock, turns, logs, own_copy)
        model = device.place(cell.workload.model(cell.size)).train()
        optimizer = cell.workload.trainer(model)
        check = TrainingCheck(model, optimizer, late=device.answers_later)
        place = accelerator_of(cell.device)
        update = cell.step.bind_on(place, ranks.joined(model), cell.workload.loss, optimizer)
        watched = check.watched(update)

        # What the step alone met must be what loaders serve, or it compiles again when the loader comes.
        def train(batch: Batch) -> None:
            watched(batch.without_views())

        loop = TrainingLoop(device.shown("update", train), device, marks, effort, ranks=ranks)
        return cls(cell, data, loop, monitor, model, check, clock, turns, logs, own_copy)

    @property
    def effort(self) -> MeasurementBudget:
        """How long to measure."""
        return self.loop.effort

    @property
    def step_seconds(self) -> float:
        """Give the aim of T_S: a step that trains nothing takes microseconds, and little tells of it."""
        return self.effort.step_seconds(self.cell.step)

    @property
    def device(self) -> Device:
        """Where the model is."""
        return self.loop.device

    def plan(self) -> Plan:
        """Plan endless epochs, with what is free on the device now."""
        return plan_of(self.cell, self.data, self.device, self.logs, self.loop.ranks, self.own_copy)

    @contextmanager
    def resident(self) -> Iterator[Iterator[Batch]]:
        """Open batches that are there already, in all sizes of an epoch if there is room, again and again."""
        plan = self.plan()
        most = plan.max_batch_rows * sum(field.sample_bytes("host") for field in plan.batch_fields)
        count = max(8, min(plan.epoch_batches, _RESIDENT_BYTES // most))
        with closing(ready_on_device(plan, count)) as stream:
            with self.clock.phase("data"):
                first = next(stream)
            yield chain([first], stream)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Watch the machine inside the block, and have nobody disturb what is timed there."""
        with self.monitor.watched(), self.loop.undisturbed():
            yield

    @contextmanager
    def fitting(self, batches: Iterator[Batch]) -> Iterator[Iterator[Batch]]:
        """Give the batches to a first update inside the block, and hold the model's answer to one against its loss.

        Raises:
            ContractError: it does not fit; an update that fails for that says so, too.
        """
        if self.check is None:
            yield batches
            return
        first = next(batches)
        try:
            yield chain([first], batches)
        except torch.OutOfMemoryError:
            raise
        except MISFITS:
            demand_fit(self.cell.workload, self.model, first)
            raise
        with self.clock.phase("checks"):
            demand_fit(self.cell.workload, self.model, first)

    def training(self) -> TrainingResult:
        """Say how training went, after the last window.

        Raises:
            ContractError: the step does not train.
        """
        if self.check is None:
            return TrainingResult()
        plan = self.plan()
        # Of one block: to make those of others ready takes as long as some windows.
        block = next(plan.blocks())
        count = max(1, min(block.batch_count, _CHECKED_BATCHES, _CHECKED_SAMPLES // block.max_batch_rows))
        with self.clock.phase("checks"), closing(ready_on_device(plan, count)) as batches:
            return self.check.result(self.cell, self.model, list(islice(batches, count)))

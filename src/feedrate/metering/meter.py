"""The three times of a cell, measured in this process."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from feedrate.errors import UnavailableError
from feedrate.formatting import byte_size
from feedrate.metering.device import Device
from feedrate.metering.phase_clock import PhaseClock
from feedrate.metering.prepared_cell import PreparedCell, plan_of
from feedrate.metering.step_alone import step_before, step_times
from feedrate.metering.stream_timer import StreamTimer
from feedrate.records.answer import MeasuredCell, StreamTimes
from feedrate.records.own_copy import OwnCopy
from feedrate.records.validity import read_from_disk
from feedrate.system import memory, page_cache
from feedrate.system.load_monitor import LoadMonitor
from feedrate.system.stopwatch import freeze_gc, now_s
from feedrate.system.threadpools import pools

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from feedrate.data.dataset import DataSet
    from feedrate.data.own_copies import CopyFolder
    from feedrate.loading.plan import Plan
    from feedrate.metering.ablation.ablation import Ablation
    from feedrate.metering.budget import MeasurementBudget
    from feedrate.metering.ranks import Ranks
    from feedrate.metering.turns import Turns
    from feedrate.plugin.cell import Cell
    from feedrate.records.conditions import Conditions
    from feedrate.records.ladder import Ladder
    from feedrate.system.sampling_flags import SamplingFlags

__all__ = ["Meter"]

_WARM = 0.99
"""Share of the files' pages in memory from which they are warm."""


@dataclass(frozen=True)
class Meter:
    """Measures one cell."""

    cell: Cell
    data: DataSet
    effort: MeasurementBudget
    marks: SamplingFlags
    """Where it says when it must not be disturbed from outside, and when a look at its memory is due."""
    turns: Turns
    """With another process that measures, whose place it lets go between two rounds."""
    ranks: Ranks
    """Train the same cell together."""
    logs: str = ""
    ablation: Ablation | None = None
    """Takes the stream apart stage by stage after the three times; None: nobody asked why."""
    own_copy: CopyFolder | None = None
    """What the loader reads in place of the data set; None: it reads that."""

    def measure(self) -> MeasuredCell:
        """Measure T_S, then T_F, T_S and T_L by turns, and T_S again where that tells.

        Raises:
            ContractError: the loader served a wrong row, or the step does not train; there is no number then.
            UnavailableError: this loader cannot do what this workload asks.
        """
        start = now_s()
        monitor, device = LoadMonitor(pid=self.ranks.family()), Device(self.cell.device)
        with device.used():
            return self._measured(start, monitor, device)

    def _measured(self, start: float, monitor: LoadMonitor, device: Device) -> MeasuredCell:
        """Do so, with what torch is asked for done by the device; `start`: when the cell began."""
        clock = PhaseClock()
        self._demand_order()
        first_plan = plan_of(self.cell, self.data, device, self.logs, self.ranks, self._copy_files)
        self._demand_memory(first_plan)
        files = list(self.cell.loader.files(first_plan))
        with clock.phase("data"):
            page_cache.warm(files)
        with clock.phase("build"):
            prepared = PreparedCell.build(
                *(self.cell, self.data, device, monitor, self.effort, self.marks, clock, self.turns, self.logs),
                *(self.ranks, self._copy_files),
            )
        build_s = now_s() - start
        freeze_gc()
        before = step_before(prepared)
        plan = prepared.plan()
        if self.ablation is not None:
            with clock.phase("ablation"):
                plan = self.ablation.instrument(plan)
        device.reset_peaks()
        stream = StreamTimer(prepared, plan, before.pace_s, self.ablation).times()
        step = step_times(prepared, before, stream.rounds.step_windows)
        training = prepared.training()
        conditions = replace(
            monitor.conditions(),
            clocks=device.clocks,
            gpu_strangers=device.strangers,
            gpu_busy_share=device.busy_share,
        )
        return MeasuredCell(
            build_s=build_s,
            step=step,
            stream=stream,
            training=training,
            page_cache=self._page_cache(files, stream, conditions),
            conditions=conditions,
            own_copy=None if self.own_copy is None else self._paid(self.own_copy),
            ladder=self._ladder(prepared, plan),
            observed={
                **pools(),
                "device": self.cell.device,
                "serves": self.cell.loader.promised,
                **device.libraries,
                **({} if prepared.check is None else prepared.check.in_force),
                **plan.report.observed(),
            },
            phases=clock.phases(),
        )

    def _ladder(self, prepared: PreparedCell, plan: Plan) -> Ladder | None:
        if self.ablation is None:
            return None
        with prepared.clock.phase("ablation"):
            return self.ablation.ladder(prepared.loop, plan, prepared.resident)

    def _paid(self, copy: CopyFolder) -> OwnCopy:
        return OwnCopy(copy.bytes, copy.made_s, self.data.bytes)

    @property
    def _copy_files(self) -> Path | None:
        return None if self.own_copy is None else self.own_copy.files

    def _page_cache(self, files: Sequence[Path], stream: StreamTimes, conditions: Conditions) -> str:
        """Tell `warm`: the files are in memory, and next to nothing came from a device while windows were timed."""
        rounds = stream.rounds
        batches = sum(window.batches for window in (*rounds.loader_windows, *rounds.full_windows))
        batches += rounds.discarded_batches
        served = batches * float(stream.batch_bytes)
        cold = page_cache.cached_share(files) < _WARM or read_from_disk(conditions.disk_read_bytes, served)
        return "unknown" if cold else "warm"

    def _demand_order(self) -> None:
        loader, workload = self.cell.loader, self.cell.workload
        if workload.in_order and loader.promised != "order":
            hint = "; try deal=batches" if "deal" in loader.knobs else ""
            raise UnavailableError(f"{loader}: {workload} needs its order kept{hint}")
        if loader.promised == "rows" and workload.knobs.get("drop_last") is True:
            raise UnavailableError(f"{loader}: makes batches of its own, so no last one of a block can be dropped")

    def _demand_memory(self, plan: Plan) -> None:
        free = memory.available_bytes()
        if len(plan.stored_blocks) < self.ranks.count:
            raise UnavailableError(
                f"{self.cell.workload}/{self.cell.size}: its {len(plan.stored_blocks)} blocks are dealt to"
                f" {self.ranks.count} ranks; choose a larger size, or fewer ranks"
            )
        largest = max(map(plan.block_bytes, plan.stored_blocks))
        if 2 * largest > free:
            raise UnavailableError(
                f"{self.cell.workload}/{self.cell.size}: needs twice {byte_size(largest)}, a decoded block, and"
                f" {byte_size(free)} of memory are free; choose a smaller size, or smaller blocks"
            )

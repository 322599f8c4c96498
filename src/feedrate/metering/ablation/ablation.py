"""Take a cell apart while its stream is open: swap its source, slow it down, and time the same loop again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from feedrate.loading.ready_batches import ready_on_host
from feedrate.metering.ablation.cold_cache import cold_rung
from feedrate.metering.ablation.competition import competition
from feedrate.metering.ablation.dataset_cache import DataSetCache
from feedrate.metering.ablation.ladder_timer import LadderTimer
from feedrate.metering.ablation.soak import SoakRunner
from feedrate.metering.ablation.source_switch import SourceSwitch, SwitchableSource, SwitchControl
from feedrate.metering.ablation.step_profile import facts
from feedrate.metering.copy_rates import copy_rates_beside
from feedrate.records.ladder import Ladder
from feedrate.system.stopwatch import now_s

if TYPE_CHECKING:
    from pathlib import Path

    from feedrate.loading.batch import Batch
    from feedrate.loading.plan import Plan
    from feedrate.metering.recorded_stream import RecordedStream
    from feedrate.metering.round_schedule import Paces
    from feedrate.metering.training_loop import TrainingLoop
    from feedrate.metering.turns import Turns
    from feedrate.plugin.cell import Cell
    from feedrate.records.request import AblationRequest

__all__ = ["Ablation"]

Resident: TypeAlias = "Callable[[], AbstractContextManager[Iterator[Batch]]]"
"""Opens endless batches that are on the device already."""

_NOT_ASKED = "nobody asked for the stages of loading"
_READY = 32
"""Batches that are prepared on the host, again and again."""


@dataclass
class Ablation:
    """Takes the stream of one cell apart, stage by stage."""

    cell: Cell
    request: AblationRequest
    scratch: Path
    offered: frozenset[int]
    """Processors that the process might use when it began."""
    _ladder: Ladder = field(default_factory=Ladder, init=False)
    """What `time_rungs` measured."""
    _spent_s: float = field(default=0.0, init=False)
    _lacking: str = field(default="", init=False)
    """Why no source but the files can be read; empty: all can."""
    _switch: SourceSwitch = field(init=False)
    """Of the plan that `instrument` returned."""

    def instrument(self, plan: Plan) -> Plan:
        """Give the plan a source that can be swapped while the stream is open.

        Raises:
            DataError: a file of the data set is not what was written.
        """
        if not self.request.rungs:
            return plan
        folder = self.request.memory
        self._lacking = DataSetCache.lacking(plan, folder) if self.request.stages else _NOT_ASKED
        stock = None if self._lacking else DataSetCache.filled(plan, folder)
        self._switch = SourceSwitch.create(self.scratch / "switch", len(plan.stored_blocks))
        control = None
        if stock is not None and stock.decoded is not None:
            control = SwitchControl(self._switch, stock.in_memory(plan).data, stock.decoded)
        source = SwitchableSource(self._switch, stock)
        return replace(plan, placement=replace(plan.placement, source_factory=source, source_control=control))

    def time_rungs(
        self, loop: TrainingLoop, feed: RecordedStream, plan: Plan, resident: Resident, rounds: Paces, turns: Turns
    ) -> None:
        """Watch and time a plan that `instrument` returned, while its stream is open: the soak, then the rungs.

        `rounds`: what the three kinds of windows took that have just been timed. `turns`: with another process.
        """
        start, ahead = now_s(), self.cell.loader.prefetch_batches(plan)
        with resident() as batches:
            # First, while the log of paces holds nothing that was slowed down on purpose.
            soak = SoakRunner(loop, feed, plan, batches, ahead).soak() if self.request.soak else None
            ladder = self._rungs(loop, feed, plan, batches, rounds, turns) if self.request.rungs else Ladder()
        competing = competition(loop, feed, self.offered) if self.request.competition else None
        self._ladder = replace(ladder, soak=soak, competition=competing)
        self._spent_s = now_s() - start

    def _rungs(
        self,
        loop: TrainingLoop,
        feed: RecordedStream,
        plan: Plan,
        batches: Iterator[Batch],
        rounds: Paces,
        turns: Turns,
    ) -> Ladder:
        with ready_on_host(self.cell.loader, plan, _READY) as host:
            loader = self.cell.loader
            ahead = loader.prefetch_batches(plan)
            timer = LadderTimer(
                loop,
                feed,
                plan,
                self._switch,
                ahead,
                rounds,
                self._lacking,
                loader.swap_points,
                self.request.stages,
                self.request.details,
                turns=turns,
                step_seconds=loop.effort.step_seconds(self.cell.step),
            )
            return timer.ladder({"R0": batches} if loader.synthetic else {"R0": batches, "R1": host})

    def ladder(self, loop: TrainingLoop, plan: Plan, resident: Resident) -> Ladder:
        """Complete the ladder with what is measured when the stream is closed."""
        start, ladder = now_s(), self._ladder
        if self.request.cold:
            pace_s = ladder.rungs["R4"].full[-1].batch_s
            ladder = replace(ladder, rungs={**ladder.rungs, "R5": cold_rung(loop, self.cell.loader, plan, pace_s)})
        if self.request.facts:
            # After every timed stretch: a profiler leaves its traces in a process.
            with resident() as batches:
                mean_size = plan.samples / plan.epoch_batches
                ladder = replace(ladder, facts=facts(self.cell, loop, batches, mean_size, self.scratch))
            if plan.accelerator is not None:
                ladder = replace(ladder, copy_rates=copy_rates_beside(plan.accelerator))
        spent_s = self._spent_s + now_s() - start
        traits = replace(self.cell.traits, cores=len(os.sched_getaffinity(0)))
        return replace(ladder, traits=traits, spent_s=spent_s)

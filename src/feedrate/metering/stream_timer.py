"""One open stream of the loader: its rows checked, then windows of it, of the step and of both by turns."""

from __future__ import annotations

import math
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from feedrate.contract.reference import Reference, check_batch, demand_unchanged
from feedrate.loading.transfer import delivered
from feedrate.metering.epoch_start import met_epoch_start
from feedrate.metering.memory_sampler import MemorySampler
from feedrate.metering.recorded_stream import RecordedStream, WaitedStream
from feedrate.metering.round_schedule import Paces, Queue, RoundSchedule
from feedrate.metering.round_timer import RoundTimer
from feedrate.metering.row_check import demand_planned
from feedrate.metering.shuffle import shuffle_of
from feedrate.records.answer import RoundTimes, StreamTimes
from feedrate.system.stopwatch import now_s

if TYPE_CHECKING:
    from feedrate.loading.batch import Batch
    from feedrate.loading.plan import Plan
    from feedrate.metering.ablation.ablation import Ablation
    from feedrate.metering.prepared_cell import PreparedCell
    from feedrate.metering.training_loop import Work

__all__ = ["StreamTimer"]

_STRETCH = 0.25
"""Of the time of a phase: the loop goes on for at least as long while peaks of memory are watched."""
_USE_S = 1.2
"""The loop goes on for at least as long where a driver counts how busy its GPU is, over up to a second."""


@dataclass
class StreamTimer:
    """Times one stream of a plan; used once."""

    prepared: PreparedCell
    plan: Plan
    step_s: float
    """Seconds a batch of the step alone."""
    ablation: Ablation | None = None
    """Takes the stream apart while it is open, after the rounds; None: nobody asked why."""

    def times(self) -> StreamTimes:
        """Open the stream, compare its first batches with the generator, time the rounds, and close it.

        Raises:
            ContractError: the loader served a wrong row; there is no number then.
        """
        prepared, plan, loader = self.prepared, self.plan, self.prepared.cell.loader
        clock, start = prepared.clock, now_s()
        with closing(delivered(loader, plan)) as stream:
            feed = RecordedStream(stream) if prepared.loop.ranks.count == 1 else WaitedStream(stream)
            with clock.phase("warm_up"):
                first = feed.take()
                prepared.device.synchronize()
            first_batch_s = now_s() - start
            with clock.phase("checks"):
                checked = self._checked(feed, first)
            del first
            memory = MemorySampler(prepared.device, feed, plan.epoch_batches / prepared.loop.ranks.count)
            rounds = self._rounds(feed, memory)
            # Of ranks each would decide by its own clock, and the others wait for it in vain.
            meets = prepared.effort.epoch_start_s > 0 and prepared.loop.ranks.count == 1
            if loader.promised == "rows":
                # Which of its batches begins an epoch, the loader alone knows.
                rounds = replace(rounds, epoch_starts=None)
            elif rounds.epoch_starts is None and meets:
                rounds = replace(rounds, epoch_starts=met_epoch_start(prepared, feed, plan, rounds))
            # What is held beside the loop is the step's batches that are ready, and those are gone now.
            prepared.device.reset_peaks()
            with clock.phase("memory"):
                self._memory_stretch(feed)
            peaks = prepared.device.peaks()
            if self.ablation is not None:
                with clock.phase("ablation"):
                    paces, turns = Paces.of(rounds), prepared.turns
                    self.ablation.time_rungs(prepared.loop, feed, plan, prepared.resident, paces, turns)
        with clock.phase("checks"):
            demand_planned(loader, plan, feed.ids)
            shuffle = None if loader.synthetic else shuffle_of(plan, feed.ids)
        # Of a loader that makes its own batches they are what came.
        own = loader.promised == "rows"
        batch_samples = feed.mean_samples if own else plan.samples / plan.epoch_batches
        return StreamTimes(
            rounds=rounds,
            memory_samples=memory.samples,
            device=peaks,
            first_batch_s=first_batch_s,
            batch_samples=batch_samples,
            epoch_blocks=len(plan.stored_blocks) if plan.has_columns else None,
            epoch_files=len(plan.data.shards) or None,
            shuffle=shuffle,
            smallest_batch_samples=None if own else plan.min_batch_rows,
            largest_batch_samples=None if own else plan.max_batch_rows,
            batch_bytes=round(batch_samples * _sample_bytes(plan)),
            epoch_bytes=plan.epoch_bytes,
            epoch_batches=math.ceil(plan.samples / batch_samples) if own else plan.epoch_batches,
            ahead_batches=loader.prefetch_batches(plan),
            checked_batches=checked,
        )

    def _rounds(self, feed: RecordedStream, memory: MemorySampler) -> RoundTimes:
        with self.prepared.resident() as ready:
            with self.prepared.clock.phase("warm_up"):
                schedule = self._schedule(feed)
            return RoundTimer(self.prepared, feed, ready, schedule, memory).times()

    def _schedule(self, feed: RecordedStream) -> RoundSchedule:
        """Find the pace of the loader alone, then of both together, and lay out the rounds."""
        prepared, plan = self.prepared, self.plan
        queue = Queue(prepared.cell.loader.prefetch_batches(plan), plan.max_block_batches, plan.epoch_batches)
        loader_s = self._pace_s(feed.drain, queue)
        full_s = self._pace_s(partial(prepared.loop.both, feed, stamps=[]), queue)
        agreed = prepared.loop.ranks.largest
        paces = Paces(*map(agreed, (full_s, self.step_s, loader_s)))
        queue = Queue(*(int(agreed(part)) for part in (queue.ahead, queue.block, queue.epoch)))
        by_turns = prepared.turns.are_taken
        return RoundSchedule.of(paces, queue, prepared.effort, prepared.step_seconds, by_turns=by_turns)

    def _pace_s(self, work: Work, queue: Queue) -> float:
        loop = self.prepared.loop
        return loop.pace_s(work, queue.block, loop.discard(work, max(1, queue.ahead)))

    def _checked(self, feed: RecordedStream, first: Batch) -> int:
        """Compare batches with the generator: the first epoch, or as much of it as the effort allows."""
        loader, reference = self.prepared.cell.loader, Reference(self.prepared.cell.recipe, self.plan)
        budget = self.prepared.effort.check_bytes // max(1, first.bytes)
        copy = first.copied()
        batch, checked = first, 0
        while True:
            check_batch(loader, batch, reference)
            checked += 1
            if checked >= min(self.plan.epoch_batches, max(1, budget)):
                break
            batch = feed.take()
        # It has been held all the while.
        demand_unchanged(loader, first, copy, 0)
        return checked

    def _memory_stretch(self, feed: RecordedStream) -> None:
        """Go on untimed until somebody has looked at the memory of the running loop, and the driver at its use."""
        loop = self.prepared.loop
        effort, start = self.prepared.effort, now_s()
        loop.marks.request_sample()
        least_s = max(_STRETCH * effort.seconds, _USE_S if loop.device.note_use() else 0.0)
        while True:
            loop.both(feed, 1, [])
            spent_s = now_s() - start
            ends = spent_s > effort.memory_s or (spent_s > least_s and not loop.marks.sample_requested)
            if loop.ranks.largest(ends and loop.ranks.answers):
                break
        loop.device.note_use()


def _sample_bytes(plan: Plan) -> int:
    return sum(field.sample_bytes(plan.cast) for field in plan.batch_fields)

"""Make an outcome of what a fresh process answered and of how it ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feedrate.errors import DataError, one_line
from feedrate.records.answer import Failed, Measured, ReplicateAnswer
from feedrate.records.codec import decoded_as
from feedrate.records.digits import microseconds, significant
from feedrate.records.measurement import Failure, Kind, Measurement
from feedrate.records.validity import refusals
from feedrate.system.signals import signal_name

if TYPE_CHECKING:
    from feedrate.records.ladder import Ladder
    from feedrate.runner.watch import Ending

__all__ = ["Heading", "Replicate", "answered", "outcome"]


@dataclass(frozen=True)
class Replicate:
    """What one fresh process measured."""

    measurement: Measurement
    ladder: Ladder | None = None
    """The cell taken apart; None: that was not asked for."""


@dataclass(frozen=True)
class Heading:
    """What the record of a replicate has in common whatever comes of it."""

    cell: str
    run: str
    replicate: int
    started: str
    environment: Mapping[str, object]
    log: str = ""

    def failure(self, why: Kind, reason: str) -> Failure:
        """Make the record of a replicate that gave no number."""
        return Failure(self.cell, self.run, self.replicate, self.started, self.environment, why, reason, log=self.log)


def outcome(heading: Heading, answer: Path, ending: Ending, log: Path) -> Replicate | Failure:
    """Judge how the process ended, and read what it answered.

    `answer`: the file where it wrote that, if it did; `log`: what it wrote to standard error.
    """
    if ending.stopped_for == "memory":
        return heading.failure("out of memory", "ended because the machine had next to no memory left")
    if ending.stopped_for == "hang":
        return heading.failure("hang", f"still running at its deadline; the log holds the stacks of its threads: {log}")
    left = f"; it left running: {', '.join(ending.left)}" if ending.left else ""
    if ending.status < 0:
        return heading.failure("signal", f"ended by {signal_name(-ending.status)}{left}; see {log}")
    raw = _written(answer)
    if ending.status or raw is None:
        lacking = "no answer" if raw is None else "not as one that has answered ends"
        return heading.failure("exception", f"ended with status {ending.status} and {lacking}{left}; see {log}")
    try:
        return answered(heading, decoded_as(ReplicateAnswer, raw), ending)
    except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError, DataError) as error:
        return heading.failure("exception", f"its answer cannot be read, something wrote over it: {one_line(error)}")


def _written(path: Path) -> Any:
    """Read what a child wrote when it was done; None for nothing, and for what no child of ours writes."""
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_bytes(), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


def answered(heading: Heading, answer: ReplicateAnswer, ending: Ending) -> Replicate | Failure:
    """Make the outcome of a child that ended as it should.

    Raises what reading raises, if something else than the child wrote the answer.
    """
    if isinstance(answer, Failed):
        return heading.failure(answer.why, answer.reason)
    measurement, ladder = _measurement(heading, answer, ending), answer.cell.ladder
    measurement.demand_work()
    if ladder is not None:
        ladder.demand_work()
    if ending.left:
        left = {"left running": list(ending.left)}
        measurement = replace(measurement, observed={**measurement.observed, **left})
    # Whoever shows them asks for all of these, and it may be late for a surprise then.
    json.dumps(
        [measurement.as_json(), measurement.samples_per_s, measurement.step_drift, measurement.prefetch_bias],
        allow_nan=False,
        default=str,
    )
    refusal = next(refusals(measurement), "")
    return heading.failure("invalid", refusal) if refusal else Replicate(measurement, ladder)


def _measurement(heading: Heading, answer: Measured, ending: Ending) -> Measurement:
    """Lay the parts of an answer side by side, as they stand in a line of raw results."""
    cell = answer.cell
    step, stream, training = cell.step, cell.stream, cell.training
    rounds, device = stream.rounds, stream.device
    return Measurement(
        cell=heading.cell,
        run=heading.run,
        replicate=heading.replicate,
        started=heading.started,
        environment=heading.environment,
        log=heading.log,
        step_windows=rounds.step_windows,
        loader_windows=rounds.loader_windows,
        full_windows=rounds.full_windows,
        batch_gaps=rounds.batch_gaps,
        events={name: significant(times, 6) for name, times in sorted(rounds.events.items())},
        import_s=microseconds(answer.import_s),
        build_s=microseconds(cell.build_s),
        first_batch_s=microseconds(stream.first_batch_s),
        first_step_s=step.first_step_s,
        ahead_batches=stream.ahead_batches,
        discarded_batches=rounds.discarded_batches,
        checked_batches=stream.checked_batches,
        loss_first=_loss(training.loss_first),
        loss_last=_loss(training.loss_last),
        skipped_updates=training.skipped_updates,
        loss_scale=training.loss_scale,
        replayed_share=training.replayed_share,
        health=training.health,
        compiles=step.compiled.graphs,
        graph_breaks=step.compiled.breaks,
        compile_s=microseconds(step.compiled.seconds),
        recompiles=step.recompiles,
        batch_bytes=stream.batch_bytes,
        epoch_bytes=stream.epoch_bytes,
        epoch_batches=stream.epoch_batches,
        epoch_starts=rounds.epoch_starts,
        host_peak_bytes=ending.pss_peak,
        shm_peak_bytes=ending.shm_peak,
        device_total_bytes=step.device.total_bytes,
        device_taken_bytes=step.device.taken_bytes,
        device_built_bytes=step.device.built_bytes,
        device_step_peak_bytes=step.device.step_peak_bytes,
        device_allocated_peak_bytes=device.allocated_bytes,
        device_reserved_peak_bytes=device.reserved_bytes,
        device_used_peak_bytes=device.used_bytes,
        pinned_copy_bytes=rounds.pinned_copy_bytes,
        pageable_copy_bytes=rounds.pageable_copy_bytes,
        page_cache=cell.page_cache,
        requested=answer.requested,
        observed=cell.observed,
        batch_samples=significant(stream.batch_samples, 9),
        epoch_blocks=stream.epoch_blocks,
        epoch_files=stream.epoch_files,
        shuffle=stream.shuffle,
        own_copy=cell.own_copy,
        smallest_batch_samples=stream.smallest_batch_samples,
        largest_batch_samples=stream.largest_batch_samples,
        conditions=cell.conditions,
        ranks=cell.ranks,
        looks=stream.memory_samples,
        rounds=len(rounds.full_windows),
        cut_discards=rounds.cut_discards,
        step_windows_before=step.windows_before,
        step_windows_after=step.windows_after,
        phases=replace(cell.phases, processes_s=max(0.0, ending.wall_s - cell.phases.total_s)).rounded(),
    )


def _loss(loss: float | None) -> float | None:
    """Keep the digits that a number of 32 bits has."""
    return None if loss is None else significant(loss, 9)

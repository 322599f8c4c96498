"""Split the time of a batch into its parts: from the windows of all replicates to the evidence of a verdict."""

from __future__ import annotations

import operator
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise

from feedrate.diagnosis.batch_size_correction import Replicate
from feedrate.diagnosis.evidence import STAGES, Evidence, LoadingPart, LoadingStage, StagePart
from feedrate.records.cell_key import CellKey
from feedrate.records.estimate import Estimate, estimate
from feedrate.records.ladder import RUNGS, Delayed, Ladder, Rung
from feedrate.records.measurement import Measurement
from feedrate.records.window import Window

__all__ = ["attribute", "loader_costs", "rung_s"]


def attribute(replicates: Sequence[Replicate]) -> Evidence:
    """Evidence from at least one replicate.

    Differences are taken inside a replicate and averaged over replicates, so what a process has in common with itself
    cancels.
    """
    pooled = tuple((_pooled(measurement, ladder), ladder) for measurement, ladder in replicates)
    measured = tuple(measurement for measurement, _ in pooled)
    first, ladders = measured[0], tuple(ladder for _, ladder in pooled)
    return Evidence(
        step_s=_mean(m.step_batch_s for m in measured),
        loader_s=_mean(m.loader_batch_s for m in measured),
        full_s=_mean(m.full_batch_mean_s for m in measured),
        stall_s=_mean(m.full_batch_mean_s - m.step_batch_s for m in measured),
        stall_share=_mean(m.stall_share for m in measured),
        loader_ceiling=_mean(m.loader_ceiling for m in measured),
        step_ceiling=_mean(m.step_ceiling for m in measured),
        overlap=_mean(m.overlap for m in measured),
        replicates=len(pooled),
        stage_parts=tuple(_stage_parts(pooled)),
        unexplained_s=_mean_of_all(pooled, _unexplained_s),
        resting_s=statistics.fmean(_resting_s(*replicate) for replicate in pooled),
        contention_s=_mean_of_all(pooled, _contention_s),
        loader_beside_s=_mean_of_all(pooled, lambda m, ladder: _batch_s(ladder.loader_beside, m)),
        coupling_s=_mean_of_all(pooled, _coupling_s),
        slopes=dict(_slopes(pooled)),
        readers=statistics.fmean(ladder.readers for ladder in ladders),
        first_batch_s=statistics.fmean(m.first_batch_s for m in measured),
        boundary_s=_known_mean(ladder.boundary_s for ladder in ladders),
        epoch_batches=ladders[0].epoch_batches,
        traits=ladders[0].traits,
        device=CellKey.parse(first.cell).device,
        facts=next((ladder.facts for ladder in ladders if ladder.facts), None),
        competition=next((ladder.competition for ladder in ladders if ladder.competition), None),
        held_back_share=_held_back_share(ladders),
        loading_parts=tuple(_loading_parts(pooled)),
        loading_rest_s=_mean_of_all(pooled, _loading_rest_s),
    )


def _pooled(measurement: Measurement, ladder: Ladder) -> Measurement:
    """The measurement with the windows of the rungs that are the same runs once more: their means scatter less."""
    step, whole = ladder.rungs.get("R0", Rung()), ladder.rungs.get("R4", Rung())
    # R0 is timed beside the open stream: where that slows the step it is no T_S, and no round of its own.
    beside = () if measurement.step_beside_resting_loader else step.full
    rounds = measurement.rounds
    return replace(
        measurement,
        rounds=None if rounds is None else rounds + min(map(len, (beside, whole.alone, whole.full))),
        step_windows=(*measurement.step_windows, *beside),
        loader_windows=(*measurement.loader_windows, *whole.alone),
        full_windows=(*measurement.full_windows, *whole.full),
    )


def rung_s(replicates: Sequence[Replicate], name: str, *, alone: bool) -> Estimate | None:
    """Seconds a batch of a rung, with the step or without, of the replicates that measured it; None: none did."""
    return _mean_of_known(replicates, lambda measurement, ladder: _rung_batch_s(measurement, ladder, name, alone=alone))


def loader_costs(replicates: Sequence[Replicate]) -> tuple[StagePart, ...]:
    """What each stage costs the loader, seconds a batch, when it is drained without a step."""
    return tuple(_stage_parts(replicates, alone=True))


def _mean(values: Iterable[float]) -> Estimate:
    return estimate(tuple(values))


def _known_mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def _mean_of_all(
    replicates: Sequence[Replicate], quantity: Callable[[Measurement, Ladder], float | None]
) -> Estimate | None:
    """The mean of a quantity; None unless every replicate has it."""
    values = [quantity(*replicate) for replicate in replicates]
    return None if None in values else _mean_of_known(replicates, quantity)


def _mean_of_known(
    replicates: Sequence[Replicate], quantity: Callable[[Measurement, Ladder], float | None]
) -> Estimate | None:
    """The mean of a quantity over the replicates that have it; None: none has."""
    values = [value for replicate in replicates if (value := quantity(*replicate)) is not None]
    return estimate(values) if values else None


def _batch_s(windows: Sequence[Window], measurement: Measurement) -> float | None:
    """Seconds a batch of mean size; None: no window."""
    return _mean_batch_s(windows, measurement) if windows else None


def _mean_batch_s(windows: Sequence[Window], measurement: Measurement) -> float:
    """Seconds a batch of mean size over at least one window; sizes differ where batches are ragged."""
    batches, samples = sum(window.batches for window in windows), sum(window.samples for window in windows)
    mean_size = measurement.batch_samples or samples / batches
    return sum(window.s for window in windows) / samples * mean_size


def _rung_batch_s(measurement: Measurement, ladder: Ladder, name: str, *, alone: bool = False) -> float | None:
    rung = ladder.rungs.get(name)
    return None if rung is None else _batch_s(rung.alone if alone else rung.full, measurement)


def _stage_parts(replicates: Sequence[Replicate], *, alone: bool = False) -> Iterator[StagePart]:
    """What each rung takes longer than the one before that was measured, by the stages between the two."""
    rungs = list(RUNGS)
    batch_s = {rung: _of_all(replicates, rung, alone=alone) for rung in rungs}
    for before, after in pairwise(rung for rung in rungs if batch_s[rung]):
        stages = STAGES[rungs.index(before) : rungs.index(after)]
        yield StagePart(stages, _mean(map(operator.sub, batch_s[after], batch_s[before])))


def _held_back_share(ladders: Sequence[Ladder]) -> float:
    """Share of the waiting for batches of all replicates in which finished ones were held back."""
    waits = [ladder.waits for ladder in ladders if ladder.waits is not None]
    waited_s = sum(wait.s for wait in waits)
    return sum(wait.held_back_s for wait in waits) / waited_s if waited_s else 0.0


def _loading_parts(replicates: Sequence[Replicate]) -> Iterator[LoadingPart]:
    """Yield what T_L of a script is made of, if every replicate tells it."""
    known = [_loading_s(*replicate) for replicate in replicates]
    stages = [stage for stage in known[0] if all(stage in parts for parts in known)]
    yield from (LoadingPart(stage, _mean(parts[stage] for parts in known)) for stage in stages)


def _loading_s(measurement: Measurement, ladder: Ladder) -> Mapping[LoadingStage, float]:
    """Seconds a batch of mean size of each part of loading; empty: nothing was measured."""
    times, own = ladder.loading, ladder.traits.dataloader
    if times is None or own is None or not times.batches:
        return {}
    # The first batches of an epoch are whole ones.
    size = (measurement.batch_samples or times.samples / times.batches) * times.batches / times.samples
    cores = ladder.traits.cores or 1
    parts: dict[LoadingStage, float] = {}
    if times.fetch is not None:
        parts["fetch"] = times.fetch.shared_s(own.workers, cores) * size
    if times.collate is not None:
        parts["collate"] = times.collate.shared_s(own.workers, cores) * size
    if times.pin is not None:
        # By a thread of the process that trains.
        parts["pin"] = times.pin.shared_s(0, cores) * size
    if times.hand_over_s:
        parts["hand-over"] = statistics.fmean(times.hand_over_s) * size
    if ladder.boundary_s:
        parts["start-up"] = ladder.boundary_s / ladder.epoch_batches
    return parts


def _loading_rest_s(measurement: Measurement, ladder: Ladder) -> float | None:
    parts = _loading_s(measurement, ladder)
    return measurement.loader_batch_s - sum(parts.values()) if parts else None


def _of_all(replicates: Sequence[Replicate], rung: str, *, alone: bool) -> Sequence[float]:
    """Seconds a batch of a rung in each replicate; empty unless all measured it."""
    values = (_rung_batch_s(measurement, ladder, rung, alone=alone) for measurement, ladder in replicates)
    known = [value for value in values if value is not None]
    return known if len(known) == len(replicates) else ()


def _unexplained_s(measurement: Measurement, ladder: Ladder) -> float | None:
    first, last = _rung_batch_s(measurement, ladder, "R0"), _rung_batch_s(measurement, ladder, "R4")
    if first is None or last is None:
        return None
    return measurement.full_batch_mean_s - measurement.step_batch_s - (last - first)


def _resting_s(measurement: Measurement, ladder: Ladder) -> float:
    """What a stream that is open and rests costs the step, where it was seen to cost something."""
    first = _rung_batch_s(measurement, ladder, "R0")
    return first - measurement.step_batch_s if first is not None and measurement.step_beside_resting_loader else 0.0


def _contention_s(measurement: Measurement, ladder: Ladder) -> float | None:
    alone, beside = _rung_batch_s(measurement, ladder, "R0"), _batch_s(ladder.step_beside, measurement)
    if alone is None or beside is None:
        return None
    # R0 is timed while the stream is open, and some loaders are never at rest: T_S knows them not.
    return beside - min(alone, measurement.step_batch_s)


def _coupling_s(measurement: Measurement, ladder: Ladder) -> float | None:
    step_s, loader_s = (_batch_s(windows, measurement) for windows in (ladder.step_beside, ladder.loader_beside))
    full_s = _rung_batch_s(measurement, ladder, "R4")
    return None if step_s is None or loader_s is None or full_s is None else full_s - max(step_s, loader_s)


def _slopes(replicates: Sequence[Replicate]) -> Iterator[tuple[str, Estimate]]:
    for stage in dict.fromkeys(stage for _, ladder in replicates for stage in ladder.delays):
        slope = _mean_of_known(replicates, partial(_slope, stage))
        if slope is not None:
            yield stage, slope


def _slope(stage: str, measurement: Measurement, ladder: Ladder) -> float | None:
    """Least squares through the origin of (delay, what it added), each pair taken one after the other."""
    points = [(pair.delay_s, _added_s(pair, measurement)) for pair in ladder.delays.get(stage, ())]
    squares = sum(delay_s**2 for delay_s, _ in points)
    return sum(delay_s * added_s for delay_s, added_s in points) / squares if squares else None


def _added_s(pair: Delayed, measurement: Measurement) -> float:
    """Seconds a batch that a delay added."""
    return _mean_batch_s((pair.delayed,), measurement) - _mean_batch_s((pair.without,), measurement)

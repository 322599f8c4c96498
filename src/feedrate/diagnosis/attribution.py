"""From the windows of all replicates to the evidence that a verdict is made from."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from feedrate.diagnosis.batch_size_correction import Replicate
from feedrate.diagnosis.evidence import Evidence
from feedrate.records.estimate import Estimate, estimate
from feedrate.records.ladder import RUNGS, Delayed, Ladder, Rung
from feedrate.records.measurement import Measurement, Window

__all__ = ["attribute", "loader_costs", "rung_s"]


def attribute(replicates: Sequence[Replicate]) -> Evidence:
    """Evidence from at least one replicate.

    Differences are taken inside a replicate and averaged over replicates, so what a process has in common with itself
    cancels.
    """
    both = tuple((_pooled(*one), one[1]) for one in replicates)
    pooled = tuple(measurement for measurement, _ in both)
    return Evidence(
        step_s=_mean(one.step_batch_s for one in pooled),
        loader_s=_mean(one.loader_batch_s for one in pooled),
        full_s=_mean(one.full_batch_mean_s for one in pooled),
        stall_s=_mean(one.full_batch_mean_s - one.step_batch_s for one in pooled),
        stall_share=_mean(one.stall_share for one in pooled),
        loader_ceiling=_mean(one.loader_ceiling for one in pooled),
        step_ceiling=_mean(one.step_ceiling for one in pooled),
        overlap=_mean(one.overlap for one in pooled),
        replicates=len(both),
        parts={name: part for name, part in _parts(both) if " + " not in name},
        lumped={name: part for name, part in _parts(both) if " + " in name},
        unexplained_s=_all(both, _unexplained_s),
        contention_s=_all(both, _contention_s),
        loader_beside_s=_all(both, lambda m, ladder: _batch_s(ladder.loader_beside, m)),
        coupling_s=_all(both, _coupling_s),
        slopes=dict(_slopes(both)),
        readers=statistics.fmean(ladder.readers for _, ladder in both),
        first_batch_s=statistics.fmean(one.first_batch_s for one in pooled),
        boundary_s=_known_mean(ladder.boundary_s for _, ladder in both),
        epoch_batches=both[0][1].epoch_batches,
        device=pooled[0].cell.rpartition("/")[2],
        facts=next((ladder.facts for _, ladder in both if ladder.facts), None),
    )


def _pooled(measurement: Measurement, ladder: Ladder) -> Measurement:
    """The measurement with the windows of the rungs that are the same runs once more: their means scatter less."""
    step, whole = ladder.rungs.get("R0", Rung()), ladder.rungs.get("R4", Rung())
    return replace(
        measurement,
        step_windows=(*measurement.step_windows, *step.full),
        loader_windows=(*measurement.loader_windows, *whole.alone),
        full_windows=(*measurement.full_windows, *whole.full),
    )


def rung_s(both: Sequence[Replicate], name: str, *, alone: bool) -> Estimate | None:
    """Seconds a batch of a rung, with the step or without; None: not measured in every replicate."""

    return _all(both, lambda measurement, ladder: _full_s(measurement, ladder, name, alone=alone))


def loader_costs(both: Sequence[Replicate]) -> dict[str, Estimate]:
    """Seconds a batch that each stage costs the loader when it is drained without a step, by stage or stages."""
    return dict(_parts(both, alone=True))


def _mean(values: Iterable[float]) -> Estimate:
    return estimate(tuple(values))


def _known_mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def _all(both: Sequence[Replicate], quantity: Callable[[Measurement, Ladder], float | None]) -> Estimate | None:
    values = [value for one in both if (value := quantity(*one)) is not None]
    return estimate(values) if len(values) == len(both) else None


def _batch_s(windows: Sequence[Window], measurement: Measurement) -> float | None:
    """Seconds a batch of mean size; sizes differ from window to window where batches are ragged."""
    if not windows:
        return None
    batches, samples = sum(window.batches for window in windows), sum(window.samples for window in windows)
    mean_size = measurement.batch_samples or samples / batches
    return sum(window.s for window in windows) / samples * mean_size


def _full_s(measurement: Measurement, ladder: Ladder, name: str, *, alone: bool = False) -> float | None:
    rung = ladder.rungs.get(name)
    return None if rung is None else _batch_s(rung.alone if alone else rung.full, measurement)


def _parts(both: Sequence[Replicate], *, alone: bool = False) -> Iterator[tuple[str, Estimate]]:
    """What each rung takes longer than the one before that was measured, by the stages between the two."""
    there = [name for name in RUNGS if all(_full_s(*one, name, alone=alone) is not None for one in both)]
    for before, after in pairwise(there):
        stages = list(RUNGS)[list(RUNGS).index(before) + 1 : list(RUNGS).index(after) + 1]
        rises = [
            (_full_s(*one, after, alone=alone) or 0.0) - (_full_s(*one, before, alone=alone) or 0.0) for one in both
        ]
        yield " + ".join(RUNGS[name] for name in stages), _mean(rises)


def _unexplained_s(measurement: Measurement, ladder: Ladder) -> float | None:
    first, last = _full_s(measurement, ladder, "R0"), _full_s(measurement, ladder, "R4")
    if first is None or last is None:
        return None
    return measurement.full_batch_mean_s - measurement.step_batch_s - (last - first)


def _contention_s(measurement: Measurement, ladder: Ladder) -> float | None:
    alone, beside = _full_s(measurement, ladder, "R0"), _batch_s(ladder.step_beside, measurement)
    if alone is None or beside is None:
        return None
    # R0 is timed while the stream is open, and some loaders are never at rest: T_S knows them not.
    return beside - min(alone, measurement.step_batch_s)


def _coupling_s(measurement: Measurement, ladder: Ladder) -> float | None:
    step, loader = (_batch_s(found, measurement) for found in (ladder.step_beside, ladder.loader_beside))
    full = _full_s(measurement, ladder, "R4")
    return None if step is None or loader is None or full is None else full - max(step, loader)


def _slopes(both: Sequence[Replicate]) -> Iterator[tuple[str, Estimate]]:
    for stage in both[0][1].delays:
        found = _all(both, lambda m, ladder, stage=stage: _slope(ladder.delays.get(stage, ()), m))  # type: ignore[misc]
        if found is not None:
            yield stage, found


def _slope(delays: Sequence[Delayed], measurement: Measurement) -> float | None:
    """Least squares through the origin of (delay, what it added), each pair taken one after the other."""
    rises = [(one.delay_s, _rise_s(one, measurement)) for one in delays]
    squares = sum(delay**2 for delay, _ in rises)
    return sum(delay * rise for delay, rise in rises) / squares if squares else None


def _rise_s(one: Delayed, measurement: Measurement) -> float:
    return (_batch_s((one.delayed,), measurement) or 0.0) - (_batch_s((one.without,), measurement) or 0.0)

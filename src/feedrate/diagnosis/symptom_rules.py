"""Find what gets worse, or comes now and then, in a soak: docs/decisions/0015-sick-and-healthy.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from feedrate.diagnosis.symptom import (
    CollectorPauses,
    Counted,
    Growth,
    HeldCycles,
    Place,
    Symptom,
    SymptomKind,
)
from feedrate.diagnosis.thresholds import Thresholds
from feedrate.diagnosis.trend import drift, machine_growth, steady_growth
from feedrate.records.soak import Holdings, Pace, Phase, Soak, Stretch

__all__ = ["symptoms_of"]

_OWNERS: tuple[tuple[Place, Callable[[Holdings], int]], ...] = (
    ("workers", lambda held: held.workers_bytes),
    ("shared memory", lambda held: held.shared_bytes),
    ("pinned memory", lambda held: held.pinned_bytes),
)
"""Memory that no side of the process that trains holds for itself alone."""
_COUNTS: tuple[tuple[SymptomKind, Counted], ...] = (
    ("descriptor growth", "descriptors"),
    ("thread growth", "threads"),
    ("process growth", "processes"),
)


def symptoms_of(soak: Soak, *others: Soak) -> tuple[Symptom, ...]:
    """List everything that is wrong in a soak: drift, pauses, circles, then what grows.

    `others`: of further processes. A machine whose cores become slower, which no clock of its own shows, looks like a
    drift; so only what drifts in all of them does.
    """
    return (*_drifts_in_all(soak, *others), *_pauses(soak), *_cycles(soak), *_memory(soak), *_counts(soak))


# --- drift


def _drifts_in_all(soak: Soak, *others: Soak) -> Iterator[Symptom]:
    elsewhere = [{symptom.place for symptom in _drifts(other)} for other in others]
    return (symptom for symptom in _drifts(soak) if all(symptom.place in places for places in elsewhere))


def _drifts(soak: Soak) -> Iterator[Symptom]:
    # The first update of all imports and compiles.
    step = [pace for pace in soak.step_before if pace.number > 0]
    before: dict[Phase, Sequence[Pace]] = {"step": step, "loader": soak.loader_before}
    during = {phase: [stretch.quick for stretch in soak.of(phase)] for phase in before}
    sides: tuple[tuple[Place, Phase, Phase], ...] = (("step", "step", "loader"), ("loader", "loader", "step"))
    for place, phase, other in sides:
        machine = machine_growth([*before[other], *during[other]])
        facts = drift(before[phase], during[phase], machine)
        if facts is not None:
            yield Symptom("drift", place, facts)


# --- the garbage collector


def _pauses(soak: Soak) -> Iterator[Symptom]:
    """Yield pauses that are long beside a batch, or many: of the side that makes the collector run when alone.

    In whose stretch a long one falls is chance, so all stretches count.
    """
    both, longest_s = soak.of("both"), [stretch.longest_collection_s for stretch in soak.stretches]
    batch_s = _batch_s(both)
    long_s = max(Thresholds.min_pause_s, Thresholds.min_pause_in_batches * batch_s)
    is_long = sum(pause_s >= long_s for pause_s in longest_s) >= Thresholds.min_stretches_with_pause
    share = _collecting_share(soak)
    if not is_long and share < Thresholds.min_collecting_share:
        return
    type_name, objects = next(iter(soak.tracked.items()), ("", 0))
    collections = tuple(sum(runs) for runs in zip(*(stretch.collections for stretch in soak.stretches), strict=True))
    # Whoever makes objects makes it run; which of its runs is a long one is chance.
    step, loader = (_collections(soak.of(phase)) for phase in ("step", "loader"))
    place: Place = "loader" if loader > step else "step" if step > loader else "together"
    batches = _batches(soak.stretches)
    facts = CollectorPauses(share, max(longest_s), batch_s, collections, batches, objects, type_name)
    yield Symptom("collector pauses", place, facts)


def _collecting_share(soak: Soak) -> float:
    """Give the collector's share of the time of both: as they were watched together, or each alone, if that is more.

    A full collection comes once in many batches, and may have fallen beside the few of both.
    """
    step, loader, both = (soak.of(phase) for phase in ("step", "loader", "both"))
    together_s, apart_s = _collecting_s(both), _collecting_s(step) + _collecting_s(loader)
    return max(together_s / _batch_s(both), apart_s / (_batch_s(step) + _batch_s(loader)))


def _collecting_s(stretches: Sequence[Stretch]) -> float:
    """Give processor time of the collector a batch."""
    return sum(stretch.collecting_s for stretch in stretches) / _batches(stretches)


def _batch_s(stretches: Sequence[Stretch]) -> float:
    return sum(stretch.pace.s for stretch in stretches) / _batches(stretches)


def _batches(stretches: Sequence[Stretch]) -> int:
    return sum(stretch.pace.batches for stretch in stretches)


def _collections(stretches: Sequence[Stretch]) -> float:
    """Count runs of the collector a batch, of whatever generation."""
    return sum(sum(stretch.collections) for stretch in stretches) / _batches(stretches)


def _cycles(soak: Soak) -> Iterator[Symptom]:
    places: tuple[tuple[Place, str], ...] = (("step", "step"), ("loader", "loader"))
    for place, phase in places:
        cycles = soak.cycles.get(phase)
        if cycles is None:
            continue
        facts = HeldCycles(cycles.held_bytes / cycles.batches, cycles.objects / cycles.batches)
        if facts.bytes_a_batch >= Thresholds.min_cycle_bytes:
            yield Symptom("reference cycles", place, facts)


# --- what grows


def _memory(soak: Soak) -> Iterator[Symptom]:
    added = _growth(soak, lambda held: held.trainer_bytes, Thresholds.min_growth_bytes)
    if added is not None:
        place, a_batch = _side(soak, lambda held: held.trainer_bytes)
        if a_batch >= Thresholds.min_growth_bytes_a_batch:
            yield Symptom("memory growth", place, _facts(soak, a_batch, soak.available_bytes))
    for owner, of in _OWNERS:
        added = _growth(soak, of, Thresholds.min_growth_bytes)
        if added is None or added / soak.batches < Thresholds.min_growth_bytes_a_batch:
            continue
        facts = _facts(soak, added / soak.batches, soak.available_bytes)
        left_bytes = _left_to_copy(soak, added) if owner == "workers" else None
        if left_bytes is None:
            yield Symptom("memory growth", owner, facts)
        elif facts.a_batch >= Thresholds.min_copied_bytes_a_batch:
            yield Symptom("memory growth", owner, replace(facts, batches_left=None, most_bytes=left_bytes))


def _left_to_copy(soak: Soak, added: float) -> float | None:
    """Count the bytes that workers may still copy, if copies of shared pages are what they grew by; None: they are not.

    Pages that a fork shares become private to a worker once it, or all others, wrote to them; its memory as a whole is
    as large as before.
    """
    begin, end = soak.begin.workers_anonymous_bytes, soak.stretches[-1].held.workers_anonymous_bytes
    if begin is None or end is None or end - begin > Thresholds.max_allocated_share_of_copies * added:
        return None
    return max(0.0, end - soak.stretches[-1].held.workers_bytes)


def _counts(soak: Soak) -> Iterator[Symptom]:
    for kind, counted in _COUNTS:

        def of(held: Holdings, counted: Counted = counted) -> int:
            return int(getattr(held, counted))

        if _growth(soak, of, Thresholds.min_growth_count) is None:
            continue
        place, a_batch = _side(soak, of)
        room = soak.descriptor_limit - of(soak.stretches[-1].held) if counted == "descriptors" else 0
        yield Symptom(kind, place, _facts(soak, a_batch, room))


def _growth(soak: Soak, of: Callable[[Holdings], int], least: float) -> float | None:
    """Give what all rounds added, if it grows on."""
    ends = [stretch.held for stretch in soak.of("both")]
    return steady_growth([of(held) for held in (soak.begin, *ends)], least)


def _side(soak: Soak, of: Callable[[Holdings], int]) -> tuple[Place, float]:
    """Name the side that adds most of what a batch of both adds when it is alone, or both together; and how much."""
    added: dict[Phase, float] = {"step": 0.0, "loader": 0.0, "both": 0.0}
    held = (soak.begin, *(stretch.held for stretch in soak.stretches))
    for stretch, (before, after) in zip(soak.stretches, pairwise(held), strict=True):
        added[stretch.phase] += of(after) - of(before)
    step, loader, both = (
        added[phase] / sum(stretch.batches for stretch in soak.of(phase)) for phase in ("step", "loader", "both")
    )
    if max(step, loader) < Thresholds.min_share_of_side * both:
        return "together", both
    return ("step", step) if step >= loader else ("loader", loader)


def _facts(soak: Soak, a_batch: float, room: float) -> Growth:
    return Growth(a_batch, soak.batches, soak.epochs, room / a_batch if room > 0 else None)

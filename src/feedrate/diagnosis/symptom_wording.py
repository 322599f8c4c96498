"""Say in English what ails a cell, and what to try: every advice once."""

from __future__ import annotations

from collections.abc import Mapping

from feedrate.diagnosis.symptom import (
    CollectorPauses,
    Drift,
    Growth,
    HeldCycles,
    Place,
    Symptom,
    SymptomKind,
)
from feedrate.formatting import byte_size, ms, number, share

__all__ = ["advice_against", "describe_symptom"]

_WHOSE: Mapping[Place, str] = {
    "step": "in the step",
    "loader": "in the loader, in this process",
    "together": "where loader and step work together, and in neither alone",
    "workers": "in the loader's own processes",
    "shared memory": "in shared memory",
    "pinned memory": "in page-locked memory",
}
_UNIT: Mapping[SymptomKind, str] = {
    "descriptor growth": "open descriptors", "thread growth": "threads", "process growth": "processes",
}  # fmt: skip
_KEEPS_LESS = "keep nothing from batch to batch"
_AGAINST_COPIES = "try arrays or tensors in place of lists and dictionaries of Python objects in the data set"
_ADVICE: tuple[tuple[tuple[SymptomKind, ...], tuple[Place, ...], str], ...] = (
    (
        ("drift",),
        ("step",),
        "try to bound what the step keeps from update to update, or torch.set_flush_denormal(True) where values fade",
    ),
    (
        ("drift",),
        ("loader",),
        "try to bound what the loader looks through for each batch, or to begin anew with each epoch",
    ),
    (
        ("collector pauses",),
        ("step", "loader", "together"),
        "try arrays or tensors in place of many small objects, or gc.freeze() once they are there",
    ),
    (
        ("reference cycles",),
        ("step", "loader"),
        "try weak references, or to break the circle when a batch is done: then memory is free at once",
    ),
    (
        ("memory growth",),
        ("step", "together"),
        "try .detach() on sums and outputs that outlive an update (.item() waits for a device), or keep fewer of them",
    ),
    (("memory growth",), ("loader", "workers"), f"try to have the loader {_KEEPS_LESS}, or bound its cache"),
    (("memory growth",), ("shared memory",), "try to unlink each segment when its batch is gone"),
    (("memory growth",), ("pinned memory",), "try to reuse page-locked buffers"),
    (
        ("descriptor growth",),
        ("step", "loader", "together"),
        "try to close each file, or to clone batches that are kept: each that processes share holds a descriptor",
    ),
    (
        ("thread growth", "process growth"),
        ("step", "loader", "together"),
        "try one pool that is made once, or to join what was started when its batch is done",
    ),
)
"""Kinds, places, and what to try there."""


def describe_symptom(symptom: Symptom) -> str:
    """Say the kind and the numbers that show it, in one line without a full stop."""
    return f"{symptom.kind}: {_described(symptom)}"


def advice_against(symptom: Symptom) -> str:
    """Say what to try, as an order."""
    if isinstance(symptom.facts, Growth) and symptom.facts.most_bytes is not None:
        return _AGAINST_COPIES
    return next(text for kinds, places, text in _ADVICE if symptom.kind in kinds and symptom.place in places)


def _described(symptom: Symptom) -> str:
    whose = _WHOSE[symptom.place]
    match symptom.facts:
        case Drift() as facts:
            side = symptom.place
            return (
                f"the {side} takes longer with every batch, {ms(facts.begin_s)} at first and {ms(facts.now_s)} after"
                f" {number(facts.batches)}: {_micro(facts.slope_s)} a batch"
                f" ({_micro(facts.slope_low_s)} to {_micro(facts.slope_high_s)}) more each,"
                f" and twice as long after {number(facts.doubling_batches)} more"
            )
        case CollectorPauses() as facts:
            return _pauses(facts, symptom.place)
        case HeldCycles(bytes_a_batch, objects_a_batch):
            side = symptom.place
            return (
                f"the {side} leaves {byte_size(bytes_a_batch)} with every batch in {number(objects_a_batch)} objects"
                " that refer to each other in a circle: only the garbage collector frees it, now and then"
            )
        case Growth() as facts:
            return f"{_added(symptom.kind, facts, whose)}"


def _pauses(facts: CollectorPauses, place: Place) -> str:
    longest = facts.longest_s / facts.batch_s
    objects = f", among {facts.objects:,} objects of {facts.type_name}" if facts.type_name else ""
    makers = {"step": "the step makes", "loader": "the loader makes"}.get(place, "loader and step make")
    return (
        f"garbage collection of objects that {makers} takes {share(facts.share)} of the time, and the longest pause"
        f" {ms(facts.longest_s)}, {number(longest, 2)} times a batch's mean{objects}"
        f" ({sum(facts.collections)} collections in {facts.batches} batches, {facts.collections[-1]} of them full)"
    )


def _added(kind: SymptomKind, facts: Growth, where: str) -> str:
    what_grows = "" if kind == "memory growth" else f" more {_UNIT[kind]}"
    amount = f"{byte_size(facts.a_batch) if kind == 'memory growth' else number(facts.a_batch, 2)}{what_grows}"
    if facts.most_bytes is not None:
        copied = "copies of pages that they share with the process that trains"
        most = f"made when a page is touched, {byte_size(facts.most_bytes)} more at most"
        return f"{amount} with every batch {where}: {copied}, {most}"
    end = "memory is full" if kind == "memory growth" else "the limit is reached"
    left = "" if facts.batches_left is None else f": {end} after {number(facts.batches_left)} more"
    unknown = ", and no row came twice: a cache of all rows would look the same" if facts.epochs < 1 else ""
    return f"{amount} with every batch {where}, and no end in {number(facts.batches)} batches{unknown}{left}"


def _micro(seconds: float) -> str:
    return f"{number(1e6 * seconds)} us"

"""Say in English what threads of a cell do to one another, and where a step is in Python."""

from __future__ import annotations

from collections.abc import Iterator

from feedrate.diagnosis.causes import (
    Cause,
    CrowdedPools,
    HeldBack,
    HeldInterpreter,
    SharedProcessors,
    StepInPython,
)
from feedrate.diagnosis.thresholds import Thresholds
from feedrate.formatting import ms, share
from feedrate.records.code_place import CodePlace
from feedrate.records.step_profile import StepProfile

__all__ = ["cause_statement", "place_phrase", "python_phrases"]


def cause_statement(cause: Cause) -> str:
    """What was seen, in one line without a full stop."""
    match cause.facts:
        case SharedProcessors():
            return _shared(cause.facts)
        case CrowdedPools():
            return _crowded(cause.facts)
        case StepInPython(profile):
            return "; ".join(python_phrases(profile))
        case HeldBack(held_share):
            return (
                f"in {share(held_share)} of the time that the loop waits for a batch, all workers but one have finished"
                " theirs, and the order holds them back"
            )
        case HeldInterpreter(wait_s, thread, place):
            holder = f"the thread {thread!r}{_at(place)} holds the interpreter" if thread else "the interpreter is held"
            return f"{holder}: each time that the step has let it go, it waits {ms(wait_s)} in the mean to have it back"


def _shared(facts: SharedProcessors) -> str:
    threads = f"{facts.threads} busy threads"
    if facts.with_trainer:
        threads += ", the one that trains among them,"
    which = ", ".join(map(str, facts.processors))
    word = "processor" if len(facts.processors) == 1 else "processors"
    wanted = f"and want {facts.cores_wanted:.1f}, where the cell may use {facts.offered}"
    return f"{threads} may run on {word} {which} alone {wanted}"


def _crowded(facts: CrowdedPools) -> str:
    pools = "a process has" if facts.processes == 1 else f"{facts.processes} processes have"
    cores = f"{facts.cores:g} processors' time is allowed" if facts.quota_cores else f"there are {facts.cores:g}"
    text = (
        f"{pools} pools of {facts.threads:.0f} busy threads, and threads want {facts.cores_wanted:.1f} processors where"
        f" {cores}: they wait for one in {share(facts.waited_share)} of their time"
    )
    return f"{text}, and all stand still in {share(facts.stopped_share)}" if facts.stopped_share >= 0.01 else text


def python_phrases(profile: StepProfile) -> Iterator[str]:
    """Yield how much of a step passes in Python and where, if that is worth a word."""
    python = profile.python
    if python is None:
        return
    python_share = python.ran_s / python.undisturbed_s
    if python_share >= Thresholds.min_python_share_worth_a_word:
        yield f"{share(python_share)} of the step's {ms(python.undisturbed_s)} in Python, outside of operators"
    elif python.undisturbed_s > Thresholds.max_operator_s_of_launch * (profile.operators_per_step or 0.0):
        return
    place = next(iter(python.places), None)
    if place is not None and place.share >= Thresholds.min_share_of_place:
        yield f"{share(place.share)} of its time in {_named(place)}"


def place_phrase(whose: str, place: CodePlace) -> str:
    """Say in which line of a script most of the time of something goes."""
    return f"{share(place.share)} of {whose} is in {_named(place)}"


def _named(place: CodePlace) -> str:
    calls = f", which calls {place.calls}" if place.calls else ""
    return f"{place.function} ({place.file}, line {place.line}){calls}"


def _at(place: CodePlace | None) -> str:
    return "" if place is None else f" (in {place.function}, {place.file}, line {place.line})"

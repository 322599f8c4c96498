"""What is found out about a cell whose answer is known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from feedrate.diagnosis.diagnosis import diagnose
from feedrate.records.measurement import Failure
from feedrate.records.validity import doubts, had_foreign_load, remarks
from feedrate.runner.isolation import measure
from feedrate.system.stopwatch import now_s

if TYPE_CHECKING:
    from feedrate.calibration.cases import Case
    from feedrate.runner.isolation import ReplicateSettings

__all__ = ["SECONDS", "TRIES", "CaseResult", "run_case"]

SECONDS = 0.2
"""Aim of each of the three times: the delays are known, so little time tells them apart."""

TRIES = 3
"""An answer that is unsure, or that was found while others kept the machine busy, is asked for again so many times in
all; a wrong one that nothing excuses stands at once."""


@dataclass(frozen=True)
class CaseResult:
    """Expected against found."""

    name: str
    cell: str
    expected: str
    found: str
    """In the same words, if it is right."""
    told: str
    """The sentence that a user would read."""
    right: bool | None
    """None: it cannot be asked here."""
    tries: int = 0
    seconds: float = 0.0


class _Found(NamedTuple):
    what: str
    told: str
    right: bool
    excused: bool
    """Whether it may be asked again."""


def run_case(case: Case, settings: ReplicateSettings) -> CaseResult:
    """Measure the case in fresh processes, once or, if need be, up to `TRIES` times.

    Thread pools have one thread: a step that computed on every core would be slower beside any loader.
    """
    start, tries = now_s(), 0
    settings = replace(settings, seconds=SECONDS, threads=1)
    while True:
        tries += 1
        look = _diagnosed if case.verdict else _measured
        # The number of the try keeps their logs apart.
        found = look(case, replace(settings, replicate=tries))
        if found.right or tries == TRIES or not found.excused:
            seconds = now_s() - start
            return CaseResult(case.name, case.cell, case.expected, found.what, found.told, found.right, tries, seconds)


def _diagnosed(case: Case, settings: ReplicateSettings) -> _Found:
    outcome = diagnose(case.cell, settings, replicates=1)
    if isinstance(outcome, Failure):
        return _failed(outcome)
    found = outcome.verdict
    excused = found.kind == "unsure" or any(map(had_foreign_load, outcome.measured))
    return _Found(found.kind, found.sentence, found.kind == case.verdict, excused)


def _measured(case: Case, settings: ReplicateSettings) -> _Found:
    outcome = measure(case.cell, settings)
    if isinstance(outcome, Failure):
        refused = bool(case.refused) and outcome.why == "invalid" and case.refused in outcome.reason
        return _Found(case.expected, outcome.reason, refused, excused=False) if refused else _failed(outcome)
    said = [*doubts(outcome), *remarks(outcome)]
    fitting = next((line for line in said if case.remark and case.remark in line), "")
    what = case.expected if fitting else f"a number{', and other remarks' if said else ''}"
    return _Found(what, fitting or "; ".join(said), bool(fitting), had_foreign_load(outcome))


def _failed(failure: Failure) -> _Found:
    return _Found(f"failed, {failure.why}", failure.reason, right=False, excused=False)

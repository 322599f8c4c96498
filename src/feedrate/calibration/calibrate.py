"""Measure cells whose answer is known, and compare it with what feedrate says of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from feedrate.calibration.case import HEALTHY
from feedrate.diagnosis.cause_wording import cause_statement
from feedrate.diagnosis.causes import THREAD_CAUSES
from feedrate.diagnosis.diagnosis import competing_causes, quick_diagnosis, soaked
from feedrate.diagnosis.symptom_wording import describe_symptom
from feedrate.records.measurement import Failure
from feedrate.records.validity import doubts, had_foreign_load, remarks
from feedrate.runner.isolation import measure
from feedrate.system.stopwatch import now_s

if TYPE_CHECKING:
    from collections.abc import Callable

    from feedrate.calibration.case import Case
    from feedrate.runner.isolation import ReplicateSettings

__all__ = ["TRIES", "CaseResult", "run_case"]

TRIES = 3
"""Processes at most for a case: one that is unsure, or was measured while others kept the machine busy, is followed by
another; a wrong answer that nothing excuses stands at once."""


@dataclass(frozen=True)
class CaseResult:
    """What was expected of a case, and what feedrate said of it. JSON has these names."""

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


class _Answer(NamedTuple):
    summary: str
    """In the words of `Case.expected`."""
    sentence: str
    """What a user would read."""
    right: bool
    excused: bool
    """Whether another process may be measured."""


def run_case(case: Case, settings: ReplicateSettings) -> CaseResult:
    """Measure the case in fresh processes, once or, if need be, up to `TRIES` times.

    Thread pools have one thread: a step that computed on every core would be slower beside any loader.
    """
    start, tries = now_s(), 0
    settings = replace(settings, seconds=case.seconds, threads=1)
    while True:
        tries += 1
        ask = _way_to_ask(case)
        # The number of the try keeps their logs apart.
        answer = ask(case, replace(settings, replicate=tries))
        if answer.right or tries == TRIES or not answer.excused:
            known, seconds = (case.name, case.cell, case.expected), now_s() - start
            return CaseResult(*known, answer.summary, answer.sentence, answer.right, tries, seconds)


def _way_to_ask(case: Case) -> Callable[[Case, ReplicateSettings], _Answer]:
    """Choose the least that must be measured to know."""
    if case.cause or case.healthy in THREAD_CAUSES:
        return _watch_threads
    if case.verdict or case.healthy:
        return _diagnose
    return _soak if case.symptom else _measure


def _diagnose(case: Case, settings: ReplicateSettings) -> _Answer:
    outcome = quick_diagnosis(case.cell, settings, stages=case.asks_for_stages, facts=case.asks_for_facts)
    if isinstance(outcome, Failure):
        return _failed(outcome)
    # A known answer is asked of the numbers; that others disturbed them excuses one that is wrong.
    verdict = outcome.verdict_of_numbers
    names = (verdict.kind, *(cause.kind for cause in verdict.causes))
    excused = verdict.kind == "unsure" or any(map(had_foreign_load, outcome.measured))
    right = case.healthy not in names if case.healthy else case.verdict in names
    return _Answer(", because ".join(names), verdict.sentence, right, excused)


def _watch_threads(case: Case, settings: ReplicateSettings) -> _Answer:
    outcome = competing_causes(case.cell, settings)
    if isinstance(outcome, Failure):
        return _failed(outcome)
    measurement, causes = outcome
    names = [cause.kind for cause in causes]
    right = case.cause in names if case.cause else case.healthy not in names
    summary = f"because: {', '.join(names)}" if names else "no cause"
    sentence = "; ".join(map(cause_statement, causes))
    return _Answer(case.expected if right else summary, sentence, right, had_foreign_load(measurement))


def _soak(case: Case, settings: ReplicateSettings) -> _Answer:
    outcome = soaked(case.cell, settings)
    if isinstance(outcome, Failure):
        return _failed(outcome)
    titles = [symptom.title for symptom in outcome.symptoms] or [HEALTHY]
    right = case.symptom in titles
    sentence = "; ".join(map(describe_symptom, outcome.symptoms))
    excused = any(map(had_foreign_load, outcome.measured))
    return _Answer(case.symptom if right else ", ".join(titles), sentence, right, excused)


def _measure(case: Case, settings: ReplicateSettings) -> _Answer:
    outcome = measure(case.cell, settings)
    if isinstance(outcome, Failure):
        refused = bool(case.refused) and outcome.why == "invalid" and case.refused in outcome.reason
        return _Answer(case.expected, outcome.reason, refused, excused=False) if refused else _failed(outcome)
    lines = [*doubts(outcome), *remarks(outcome)]
    expected = next((line for line in lines if case.remark and case.remark in line), "")
    summary = case.expected if expected else f"a number{', and other remarks' if lines else ''}"
    return _Answer(summary, expected or "; ".join(lines), bool(expected), had_foreign_load(outcome))


def _failed(failure: Failure) -> _Answer:
    return _Answer(f"failed, {failure.why}", failure.reason, right=False, excused=False)

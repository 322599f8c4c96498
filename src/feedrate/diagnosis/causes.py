"""Find what threads do to one another in a cell: causes beneath a verdict, in the order of docs/decisions/0016."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Literal, TypeAlias

from feedrate.diagnosis.thresholds import Thresholds
from feedrate.records.code_place import CodePlace
from feedrate.records.competition import Competition, InterpreterUse, ProcessorUse, ThreadUse
from feedrate.records.step_profile import StepProfile

__all__ = [
    "THREAD_CAUSES",
    "Cause",
    "CauseFacts",
    "CauseKind",
    "CrowdedPools",
    "HeldBack",
    "HeldInterpreter",
    "SharedProcessors",
    "StepInPython",
    "causes_in",
    "is_python",
]

CauseKind: TypeAlias = Literal["shared processors", "thread pools", "interpreter held", "python", "order"]
THREAD_CAUSES: tuple[CauseKind, ...] = ("shared processors", "thread pools", "interpreter held")
"""Those that watching threads tells, without taking the cell apart."""


@dataclass(frozen=True)
class SharedProcessors:
    """Threads may run on a part of the processors only, and want more than that part."""

    processors: tuple[int, ...]
    threads: int
    with_trainer: bool
    """Whether the thread that trains is one of them."""
    cores_wanted: float
    offered: int
    """Processors that the cell may use."""


@dataclass(frozen=True)
class CrowdedPools:
    """Thread pools of several threads, and more threads at work than there are processors for."""

    processes: int
    """Processes with a pool."""
    threads: float
    """Busy threads of a process with a pool, on average."""
    cores_wanted: float
    cores: float
    waited_share: float
    """Of the time in which threads could run: the share in which no processor was free."""
    quota_cores: float | None = None
    """What control groups allow, if that is less than the processors."""
    stopped_share: float = 0.0
    """Share of the time in which a control group stood still, its quota used up."""


@dataclass(frozen=True)
class HeldInterpreter:
    """A thread beside the step runs Python, and the step waits until it gets the interpreter back."""

    wait_s: float
    """What it waits each time that it has let the interpreter go: the mean of waits that each count as long as Python
    lets a thread keep it, at most."""
    thread: str
    """Name of the busiest such thread; empty: it is not known."""
    place: CodePlace | None = None


@dataclass(frozen=True)
class StepInPython:
    """The step is busy in Python, and not alone what holds the cell back."""

    profile: StepProfile


@dataclass(frozen=True)
class HeldBack:
    """Workers have finished batches, and the loop waits for a slower one whose turn it is."""

    share: float
    """Of the time that the loop waits for batches."""


CauseFacts: TypeAlias = SharedProcessors | CrowdedPools | HeldInterpreter | StepInPython | HeldBack


@dataclass(frozen=True)
class Cause:
    """Why a side is as slow as it is: what threads or workers of the cell do to one another."""

    kind: CauseKind
    facts: CauseFacts


def causes_in(competition: Competition | None, full_s: float) -> tuple[Cause, ...]:
    """The causes that were seen in a cell whose batch takes `full_s` seconds."""
    if competition is None:
        return ()
    facts: Mapping[CauseKind, CauseFacts | None] = {
        "shared processors": _of(competition.processors, _shared),
        "thread pools": _of(competition.processors, _crowded),
        "interpreter held": None if competition.interpreter is None else _held(competition.interpreter, full_s),
    }
    return tuple(Cause(kind, fact) for kind, fact in facts.items() if fact is not None)


def is_python(profile: StepProfile) -> bool:
    """Whether a step is busy in Python, with more than what starting its operators takes."""
    return profile.python_share(Thresholds.max_python_s_of_operator) >= Thresholds.min_python_share


def _of(use: ProcessorUse | None, rule: Callable[[ProcessorUse], CauseFacts | None]) -> CauseFacts | None:
    return None if use is None else rule(use)


def _shared(use: ProcessorUse) -> SharedProcessors | None:
    """The part of the processors that is wanted most beyond what it has."""
    parts = [_part(use, processors) for processors in {thread.processors for thread in use.threads}]
    pressed = [
        part
        for part in parts
        if len(part.processors) < len(use.offered)
        and part.threads > len(part.processors)
        and part.cores_wanted > Thresholds.min_wanted_of_part * len(part.processors)
    ]
    return max(pressed, key=lambda part: part.cores_wanted / len(part.processors), default=None)


def _part(use: ProcessorUse, processors: tuple[int, ...]) -> SharedProcessors:
    """What threads want that may run on those processors alone."""
    bound = [thread for thread in use.threads if set(thread.processors) <= set(processors)]
    busy = [thread for thread in bound if use.wanted(thread) >= Thresholds.min_wanted_of_busy_thread]
    return SharedProcessors(
        processors=processors,
        threads=len(busy),
        with_trainer=any(thread.is_main and thread.process == use.trainer for thread in busy),
        cores_wanted=sum(map(use.wanted, bound)),
        offered=len(use.offered),
    )


def _crowded(use: ProcessorUse) -> CrowdedPools | None:
    pools = [threads for threads in _pools(use) if len(threads) > 1]
    beyond = sum(sum(map(use.wanted, threads)) - 1 for threads in pools)
    if use.cores_wanted < Thresholds.min_wanted_of_pools * use.cores or beyond < Thresholds.min_pool_share * use.cores:
        return None
    ran_s, waited_s = (sum(getattr(thread, name) for thread in use.threads) for name in ("ran_s", "waited_s"))
    return CrowdedPools(
        processes=len(pools),
        threads=sum(map(len, pools)) / len(pools),
        cores_wanted=use.cores_wanted,
        cores=use.cores,
        waited_share=waited_s / (ran_s + waited_s),
        quota_cores=use.quota_cores if use.cores < len(use.offered) else None,
        stopped_share=min(1.0, use.stopped_s / use.watched_s),
    )


def _pools(use: ProcessorUse) -> Iterator[tuple[ThreadUse, ...]]:
    """Yield, for each process, its busy threads, those left out that run Python beside the trainer's step."""
    for _, threads in use.by_process():
        yield tuple(
            thread
            for thread in threads
            if use.wanted(thread) >= Thresholds.min_wanted_of_busy_thread and (thread.is_main or not thread.runs_python)
        )


def _held(use: InterpreterUse, full_s: float) -> HeldInterpreter | None:
    # A thread that also waits for the step is met at work in some of the turns only.
    wait_s = fmean(min(wait_s, Thresholds.interpreter_switch_s) for wait_s in use.waits_s)
    is_nothing_beside_a_batch = fmean(use.waits_s) < Thresholds.min_interpreter_share * full_s
    if wait_s < Thresholds.min_interpreter_wait_s or is_nothing_beside_a_batch:
        return None
    busiest = next(iter(use.threads), None)
    return HeldInterpreter(wait_s, busiest.name if busiest else "", busiest.place if busiest else None)

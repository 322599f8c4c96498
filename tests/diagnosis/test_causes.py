"""What threads do to one another is found in what they wanted of the processors, and in waits for the interpreter."""

from __future__ import annotations

import json

import pytest

from feedrate.diagnosis.causes import Cause, CrowdedPools, HeldInterpreter, SharedProcessors, causes_in
from feedrate.diagnosis.evidence import Evidence
from feedrate.diagnosis.verdict import verdict
from feedrate.records.code_place import CodePlace
from feedrate.records.competition import Competition, InterpreterUse, ProcessorUse, PythonThread, ThreadUse
from feedrate.records.ladder import Ladder
from tests.diagnosis.test_verdict import SLOW_LOADER, SLOW_STEP, evidence, in_python

TRAINER, BOTH, FIRST = 10, (0, 1), (0,)


def thread(
    process: int, wanted: float, processors: tuple[int, ...] = BOTH, *, is_main: bool = True, runs_python: bool = False
) -> ThreadUse:
    """A thread that ran half of the time in which it wanted to, over a second."""
    return ThreadUse(process, process, "python", is_main, runs_python, processors, wanted / 2, wanted / 2)


def processors(*threads: ThreadUse, quota_cores: float | None = None, stopped_s: float = 0.0) -> Competition:
    return Competition(ProcessorUse(1.0, TRAINER, BOTH, quota_cores, stopped_s, threads))


def interpreter(*waits_ms: float) -> Competition:
    place = CodePlace("compute", "feed.py", 41)
    threads = (PythonThread("prefetch", 0.97, place), PythonThread("logger", 0.02))
    return Competition(interpreter=InterpreterUse(tuple(wait / 1e3 for wait in waits_ms), threads))


def kinds(competition: Competition, full_s: float = 0.02) -> list[str]:
    return [cause.kind for cause in causes_in(competition, full_s)]


def slow(competition: Competition) -> Evidence:
    return evidence(*SLOW_LOADER, {"hand-over": 17}, competition=competition)


STEP = thread(TRAINER, 0.9)
POOLS = tuple(thread(process, 0.7, is_main=number == 0) for process in (11, 12) for number in range(4))


# --- processors that threads may use


def test_workers_that_share_one_of_two_processors_are_named() -> None:
    (cause,) = causes_in(processors(STEP, thread(11, 0.95, FIRST), thread(12, 0.9, FIRST)), 0.02)

    assert cause.kind == "shared processors"
    assert isinstance(cause.facts, SharedProcessors)
    assert (cause.facts.processors, cause.facts.threads, cause.facts.offered) == (FIRST, 2, 2)
    assert cause.facts.cores_wanted == pytest.approx(1.85)
    assert not cause.facts.with_trainer


def test_a_trainer_that_is_bound_with_its_worker_is_said_to_be_among_them() -> None:
    (cause,) = causes_in(processors(thread(TRAINER, 0.95, FIRST), thread(11, 0.9, FIRST)), 0.02)

    assert isinstance(cause.facts, SharedProcessors)
    assert cause.facts.with_trainer


@pytest.mark.parametrize(
    "threads",
    [
        (STEP, thread(11, 1.0), thread(12, 1.0)),
        (STEP, thread(11, 1.0, FIRST)),
        (STEP, thread(11, 1.0, (0,)), thread(12, 1.0, (1,))),
        (STEP, thread(11, 0.4, FIRST), thread(12, 0.4, FIRST)),
    ],
    ids=["free", "one alone", "one on each", "little to do"],
)
def test_healthy_workers_share_no_processor(threads: tuple[ThreadUse, ...]) -> None:
    assert kinds(processors(*threads)) == []


# --- thread pools


def test_pools_that_want_more_than_there_is_are_named_with_what_they_lose() -> None:
    (cause,) = causes_in(processors(STEP, *POOLS), 0.02)

    assert cause.kind == "thread pools"
    assert isinstance(cause.facts, CrowdedPools)
    assert (cause.facts.processes, cause.facts.threads, cause.facts.cores) == (2, 4, 2)
    assert cause.facts.cores_wanted == pytest.approx(6.5)
    assert cause.facts.waited_share == pytest.approx(0.5)


def test_a_quota_counts_as_the_processors_that_it_allows() -> None:
    pair = tuple(thread(11, 0.9, is_main=number == 0) for number in range(2))

    assert kinds(processors(STEP, *pair)) == []
    (cause,) = causes_in(processors(STEP, *pair, quota_cores=1.0, stopped_s=0.3), 0.02)
    assert isinstance(cause.facts, CrowdedPools)
    assert (cause.facts.cores, cause.facts.quota_cores, cause.facts.stopped_share) == (1.0, 1.0, 0.3)


@pytest.mark.parametrize(
    "threads",
    [
        (STEP, thread(11, 1.0), thread(12, 1.0)),
        (STEP, *(thread(11, 0.09, is_main=number == 0) for number in range(32))),
        (STEP, *(thread(TRAINER, 0.9, is_main=False, runs_python=True) for _ in range(4))),
        tuple(thread(process, 0.9) for process in range(11, 16)),
    ],
    ids=["one thread each", "idle pools", "threads of Python", "many workers"],
)
def test_busy_threads_that_are_no_pool_are_none(threads: tuple[ThreadUse, ...]) -> None:
    assert kinds(processors(*threads)) == []


# --- the interpreter


def test_a_thread_that_keeps_the_interpreter_is_named_with_its_place() -> None:
    (cause,) = causes_in(interpreter(30, 0.1, 30, 31, 30), 0.02)

    assert isinstance(cause.facts, HeldInterpreter)
    assert cause.facts.wait_s == pytest.approx(0.00402)
    assert cause == Cause(
        "interpreter held", HeldInterpreter(cause.facts.wait_s, "prefetch", CodePlace("compute", "feed.py", 41))
    )


def test_a_thread_that_is_met_at_work_in_a_third_of_the_turns_is_a_cause() -> None:
    waits_ms = (19, 0.1, 0.1, 18, 0.2, 0.1, 20, 0.1, 0.1)
    assert kinds(interpreter(*waits_ms)) == ["interpreter held"]


def test_a_batch_that_is_slow_because_it_waits_again_and_again_hides_no_cause() -> None:
    assert kinds(interpreter(30, 31, 30, 29, 30), full_s=0.25) == ["interpreter held"]


def test_waits_that_are_short_rare_or_nothing_beside_a_batch_are_no_cause() -> None:
    assert kinds(interpreter(0.3, 0.2, 2.0, 0.3, 0.1)) == []
    assert kinds(interpreter(30, 0.1, 0.2, 0.1, 0.1)) == []
    assert kinds(interpreter(4, 4, 4, 4, 4), full_s=1.0) == []


def test_of_a_replicate_that_nobody_watched_nothing_is_said() -> None:
    assert causes_in(None, 0.02) == ()
    assert causes_in(Competition(), 0.02) == ()


# --- a step in Python, where it is not the step alone


def test_a_step_in_python_is_told_where_the_step_is_not_all_that_takes_time() -> None:
    turns, brief = (10.0, 10.0, 20.0), (1.0, 19.0, 20.0)
    judged = verdict(evidence(*turns, facts=in_python(15, 100)))

    assert (judged.kind, [cause.kind for cause in judged.causes]) == ("no overlap", ["python"])
    assert judged.statement.endswith(
        "75% of the step's 20 ms in Python, outside of operators; "
        "70% of its time in show (bars.py, line 41), which calls rich"
    )
    assert judged.next_try.startswith(
        "try a loader that works ahead while the step runs, displays, metrics and logs once"
    )
    for times, facts in ((turns, in_python(5, 100)), (brief, in_python(15, 100)), (SLOW_STEP, in_python(15, 100))):
        assert verdict(evidence(*times, facts=facts)).causes == ()


# --- what a user reads


@pytest.mark.parametrize(
    ("competition", "statement", "advice"),
    [
        (
            processors(STEP, thread(11, 0.95, FIRST), thread(12, 0.9, FIRST)),
            "2 busy threads may run on processor 0 alone and want 1.9, where the cell may use 2",
            "try all processors for each of them (os.sched_setaffinity, OMP_PROC_BIND=false)",
        ),
        (
            processors(STEP, *POOLS),
            "2 processes have pools of 4 busy threads, and threads want 6.5 processors where there are 2: they wait "
            "for one in 50% of their time",
            "try one thread in each pool of a worker (OMP_NUM_THREADS=1, torch.set_num_threads(1))",
        ),
        (
            processors(STEP, *POOLS, quota_cores=1.0, stopped_s=0.4),
            "2 processes have pools of 4 busy threads, and threads want 6.5 processors where 1 processors' time is "
            "allowed: they wait for one in 50% of their time, and all stand still in 40%",
            "try one thread in each pool of a worker (OMP_NUM_THREADS=1, torch.set_num_threads(1))",
        ),
        (
            interpreter(30, 30, 30),
            "the thread 'prefetch' (in compute, feed.py, line 41) holds the interpreter: each time that the step has "
            "let it go, it waits 5 ms in the mean to have it back",
            "try that thread's work in a process of its own, or that thread's work in a library that lets the "
            "interpreter go",
        ),
    ],
    ids=["processors", "pools", "quota", "interpreter"],
)
def test_a_verdict_says_what_it_rests_on_and_what_to_do_about_that(
    competition: Competition, statement: str, advice: str
) -> None:
    sick, healthy = verdict(slow(competition)), verdict(slow(Competition()))

    assert sick.kind == healthy.kind == "hand-over"
    assert sick.statement == f"{healthy.statement}; {statement}"
    assert sick.next_try == advice
    assert healthy.causes == ()


def test_a_cause_is_told_of_a_step_too_and_where_the_numbers_decide_nothing() -> None:
    for times in (SLOW_STEP, (10.0, 2.0, 30.0)):
        judged = verdict(evidence(*times, competition=interpreter(30, 30, 30)))
        assert [cause.kind for cause in judged.causes] == ["interpreter held"], judged.sentence
        assert "process of its own" in judged.next_try


def test_the_json_of_a_verdict_has_the_causes_and_that_of_a_ladder_what_they_come_from() -> None:
    competition = Competition(processors(STEP, *POOLS).processors, interpreter(30, 30, 30).interpreter)
    raw = json.loads(json.dumps(verdict(slow(competition)).as_json()))

    assert [cause["kind"] for cause in raw["causes"]] == ["thread pools", "interpreter held"]
    assert raw["causes"][1]["facts"]["thread"] == "prefetch"
    ladder = json.loads(json.dumps(Ladder(competition=competition).as_json()))
    assert Ladder.from_json(ladder).competition == competition
    del ladder["competition"]
    assert Ladder.from_json(ladder).competition is None

"""List cases of threads that take processors, or the interpreter, from one another, each beside its healthy twin."""

from __future__ import annotations

from feedrate.calibration.case import Case

__all__ = ["COMPETITION_CASES"]

_S = 0.05
"""What is seen are threads that want more than there is, whatever the times are."""
_BRIEF, _LONG, _OPERATORS = "timed[work_us=0]", "timed[work_us=6000]", "timed[work_us=0,kernels=100]"
# Each operator would have to wait for the interpreter.
_NONE = "none"
_SHARED, _POOLS, _HELD = "shared processors", "thread pools", "interpreter held"

COMPETITION_CASES: tuple[Case, ...] = (
    # Processors that workers may use.
    Case("workers on one core", "crew[bound=workers]", _BRIEF, cause=_SHARED, seconds=_S),
    Case("workers on all cores", "crew", _BRIEF, healthy=_SHARED, seconds=_S),
    Case("trainer and worker on one core", "crew[count=1,bound=trainer]", _LONG, cause=_SHARED, seconds=_S),
    Case("a worker alone on one core", "crew[count=1,bound=workers]", _LONG, healthy=_SHARED, seconds=_S),
    Case("workers in Python on one core", "crew[work=python,bound=workers]", _BRIEF, cause=_SHARED, seconds=_S),
    Case("workers on one core, little to do", "crew[work=sleep,bound=workers]", _BRIEF, healthy=_SHARED, seconds=_S),
    # Thread pools of workers.
    Case("a pool of products in each worker", "crew[work=products,pool=8]", _BRIEF, cause=_POOLS, seconds=_S),
    Case("one thread for products in each worker", "crew[work=products]", _BRIEF, healthy=_POOLS, seconds=_S),
    Case("a pool of hashes in each worker", "crew[work=hashes,pool=4,work_us=12000]", _BRIEF, cause=_POOLS, seconds=_S),
    Case("one thread for hashes in each worker", "crew[work=hashes,work_us=12000]", _BRIEF, healthy=_POOLS, seconds=_S),
    # A thread beside the step that holds the interpreter.
    Case("a thread beside it computes in Python", "accompanied", _NONE, cause=_HELD, seconds=_S),
    Case("a thread beside it sleeps", "accompanied[by=sleep]", _NONE, healthy=_HELD, seconds=_S),
    Case("a thread beside it computes in C", "accompanied[by=native]", _NONE, healthy=_HELD, seconds=_S),
    Case("a process beside it computes in Python", "accompanied[by=process]", _NONE, healthy=_HELD, seconds=_S),
    Case(
        "batches made in Python on a thread", "paced[delay_us=20000,kind=python]", _OPERATORS, cause=_HELD, seconds=_S
    ),
    Case("batches made in C on a thread", "paced[delay_us=20000,kind=busy]", _OPERATORS, healthy=_HELD, seconds=_S),
    Case(
        "batches made in Python in a process",
        "crew[count=1,work=python,work_us=20000]",
        _OPERATORS,
        healthy=_HELD,
        seconds=_S,
    ),
)

"""Read from /proc what each thread of this process and of those below it wanted of the processors."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from feedrate.records.competition import ProcessorUse, ThreadUse
from feedrate.system.machine import limits, stopped_s
from feedrate.system.procfs import process_tree
from feedrate.system.stopwatch import now_s, thread_wait_s

__all__ = ["ThreadMonitor", "ThreadRun", "thread_run"]

_LEAST_SHARE = 0.01
"""Of the stretch: threads that wanted less are left out."""


@dataclass(frozen=True)
class _Reading:
    """What the kernel counted of a thread since it began."""

    process: int
    ran_s: float
    waited_s: float
    """Up to when it last got a processor: a wait that goes on is not in it."""
    is_runnable: bool = False
    """Whether it runs or waits for a processor at this moment."""
    rests: int = 0
    """How often it gave its processor up by itself."""

    def never_rested_since(self, before: _Reading) -> bool:
        """Whether it wanted a processor all the time since an earlier reading."""
        return before.is_runnable and self.is_runnable and self.rests == before.rests


class ThreadMonitor:
    """Watches the threads of this process and of all below it from its creation on."""

    def __init__(self, offered: Set[int]) -> None:
        """`offered`: processors that the cell may use."""
        self._offered = tuple(sorted(offered))
        self._start_s, self._stopped_s = now_s(), stopped_s()
        self._before = dict(_readings())

    def use(self) -> ProcessorUse | None:
        """What threads did since then; None: the kernel does not say how long a thread waits."""
        after, watched_s = dict(_readings()), now_s() - self._start_s
        if os.getpid() not in after:
            return None
        return ProcessorUse(
            watched_s=watched_s,
            trainer=os.getpid(),
            offered=self._offered,
            quota_cores=limits().cores,
            stopped_s=max(0.0, stopped_s() - self._stopped_s),
            threads=tuple(self._threads(after, watched_s)),
        )

    def _threads(self, after: Mapping[int, _Reading], watched_s: float) -> Iterator[ThreadUse]:
        known = {thread.native_id for thread in threading.enumerate()}
        for number, reading in after.items():
            before = self._before.get(number, _Reading(reading.process, 0.0, 0.0))
            ran_s, waited_s = reading.ran_s - before.ran_s, reading.waited_s - before.waited_s
            if reading.never_rested_since(before):
                waited_s = max(waited_s, watched_s - ran_s)
            processors = _affinity(number)
            if ran_s + waited_s < _LEAST_SHARE * watched_s or not processors:
                continue
            yield ThreadUse(
                number=number,
                process=reading.process,
                name=_read(f"{reading.process}/task/{number}/comm").strip(),
                is_main=number == reading.process,
                runs_python=number in known,
                processors=tuple(sorted(processors)),
                ran_s=ran_s,
                waited_s=waited_s,
            )


@dataclass
class ThreadRun:
    """What the calling thread had of a processor over a stretch of its work."""

    took_s: float = 0.0
    ran_s: float = 0.0
    """Seconds on a processor."""
    waited_s: float = 0.0
    """Seconds in which it could have run, and no processor was free; 0 where the kernel does not say."""


@contextmanager
def thread_run() -> Iterator[ThreadRun]:
    """Watch the calling thread until the block is left; what it had is known then."""
    run, waited_before_s = ThreadRun(), thread_wait_s()
    begin_s, ran_before_s = now_s(), time.thread_time()
    yield run
    run.ran_s, run.took_s = time.thread_time() - ran_before_s, now_s() - begin_s
    run.waited_s = thread_wait_s() - waited_before_s


def _readings() -> Iterator[tuple[int, _Reading]]:
    """Yield each thread's number and what was counted of it."""
    for process in process_tree(os.getpid()):
        for number in _numbers(process):
            counted = _counted(f"{process}/task/{number}/schedstat")
            if counted:
                yield number, _Reading(process, *counted, *_rests(f"{process}/task/{number}/status"))


def _numbers(process: int) -> Iterator[int]:
    try:
        yield from map(int, os.listdir(f"/proc/{process}/task"))
    except OSError:
        # It ended while we looked.
        return


def _counted(path: str) -> tuple[float, float] | None:
    """Seconds that a thread ran and waited for a processor; None: it ended, or the kernel does not count."""
    words = _read(path).split()
    return (int(words[0]) / 1e9, int(words[1]) / 1e9) if len(words) == 3 else None


def _rests(path: str) -> tuple[bool, int]:
    """Whether a thread runs or waits for a processor, and how often it gave one up by itself."""
    text = _read(path)
    rests = re.search(r"^voluntary_ctxt_switches:\s(\d+)$", text, re.MULTILINE)
    return re.search(r"^State:\sR", text, re.MULTILINE) is not None, int(rests[1]) if rests else 0


def _affinity(number: int) -> set[int]:
    """Processors that a thread may run on; none if it has ended."""
    try:
        return os.sched_getaffinity(number)
    except OSError:
        return set()


def _read(path: str) -> str:
    try:
        return (Path("/proc") / path).read_text()
    except OSError:
        return ""

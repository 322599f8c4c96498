"""Record what the threads of a cell did to one another while loader and step ran together, untimed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from feedrate.records.code_place import CodePlace

__all__ = ["Competition", "InterpreterUse", "ProcessorUse", "PythonThread", "ThreadUse"]


@dataclass(frozen=True)
class ThreadUse:
    """One thread of the measured process or of a process below it, over a stretch of time."""

    number: int
    """The kernel's number of it."""
    process: int
    name: str
    """As the kernel has it."""
    is_main: bool
    """Whether it is the thread that its process began with."""
    runs_python: bool
    """Whether the interpreter of the measured process knows it; of threads in other processes that is not known."""
    processors: tuple[int, ...]
    """Those that it may run on."""
    ran_s: float
    waited_s: float
    """Seconds in which it could have run, and no processor was free for it."""


@dataclass(frozen=True)
class ProcessorUse:
    """What threads wanted of the processors over a stretch in which loader and step ran together."""

    watched_s: float
    trainer: int
    """The process that trains."""
    offered: tuple[int, ...]
    """Processors that it might run on when it began."""
    quota_cores: float | None = None
    """Cores' time that control groups allow; None: no limit."""
    stopped_s: float = 0.0
    """Seconds in which a control group stood still because its quota was used up."""
    threads: tuple[ThreadUse, ...] = ()
    """Those that wanted a processor at all."""

    @property
    def cores(self) -> float:
        """Processors that the cell can keep busy: those offered, or the quota if that is less."""
        return min(float(len(self.offered)), self.quota_cores or len(self.offered))

    def wanted(self, thread: ThreadUse) -> float:
        """Processors that a thread wanted, 0 to 1: the share of the stretch in which it ran or waited for one.

        What else the machine does moves it little: a thread that is kept from running waits instead.
        """
        return min(1.0, (thread.ran_s + thread.waited_s) / self.watched_s)

    @property
    def cores_wanted(self) -> float:
        """Processors that all threads together wanted."""
        return sum(map(self.wanted, self.threads))

    def by_process(self) -> Iterator[tuple[int, tuple[ThreadUse, ...]]]:
        """Yield each process and its threads."""
        in_order = sorted(self.threads, key=lambda thread: thread.process)
        for process, threads in groupby(in_order, key=lambda thread: thread.process):
            yield process, tuple(threads)


@dataclass(frozen=True)
class PythonThread:
    """A thread of the measured process that runs Python, the main one left out."""

    name: str
    busy: float
    """Share of the time in which it ran, or wanted to."""
    place: CodePlace | None = None
    """Where it was met; None: nowhere but in what the standard library waits in."""


@dataclass(frozen=True)
class InterpreterUse:
    """How long the main thread waits for the interpreter when it has let it go for a moment, batch after batch."""

    waits_s: tuple[float, ...]
    """For each batch the longest wait, less what the thread waited for a processor."""
    threads: tuple[PythonThread, ...] = ()
    """The busiest first."""


@dataclass(frozen=True)
class Competition:
    """What one replicate saw of it; None: the kernel does not say, or nobody looked."""

    processors: ProcessorUse | None = None
    interpreter: InterpreterUse | None = None

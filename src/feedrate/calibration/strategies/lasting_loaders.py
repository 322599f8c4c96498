"""Serve what is planned, and do something that gets worse with every batch, or its cure."""

from __future__ import annotations

import mmap
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from threading import Event, Thread
from typing import TYPE_CHECKING

from feedrate.builtin.loaders.inline import Inline
from feedrate.plugin.loader import Loader
from feedrate.plugin.strategy import knob
from feedrate.system.synthetic_load import burn_cpu, sleep_s

if TYPE_CHECKING:
    from feedrate.loading.plan import Plan
    from feedrate.plugin.loader import Stream

    Extra = Callable[[int], object]
    """Called with the number of each batch."""

__all__ = ["Lingering"]

_BOUND = 8
"""Of what a healthy loader keeps."""
_BYTES = 1 << 17
"""Of what is kept from a batch."""


@dataclass(frozen=True)
class Lingering(Loader):
    """Serve in the caller's thread, and keep something from batch to batch: without end, or, `cured`, as one should."""

    name = "lingering"
    hidden = True
    kept: str = knob(
        *("index", "wait", "objects", "cycles", "rows", "pages", "worker", "segments", "descriptors", "threads")
    )
    """What each batch looks through, or waits for; a pool of small lists; rows in objects that refer to each other;
    rows in a cache; pages of a mapped file (which is healthy, cured or not); rows in another process; segments of
    shared memory; open files; threads."""
    cured: bool = knob(False, True)
    """The work is the same for every batch, the pool is an array, there is no circle, and what is kept is bounded."""

    def stream(self, plan: Plan) -> Stream:
        with closing(Inline(cast=self.cast).stream(plan)) as batches, _EXTRAS[self.kept](self.cured) as extra:
            for number, batch in enumerate(batches):
                extra(number)
                yield batch


@contextmanager
def _index(cured: bool) -> Iterator[Extra]:
    """Compare all batches so far with one another."""
    yield lambda number: burn_cpu(_cost_s(_EARLY if cured else number))


@contextmanager
def _wait(cured: bool) -> Iterator[Extra]:
    """Wait for a store that answers ever later."""
    yield lambda number: sleep_s(_cost_s(_EARLY if cured else number))


_EARLY = 100


def _cost_s(number: int) -> float:
    """What a pair of batches costs, times the pairs so far; no more than a test can wait for."""
    return min(0.03, 5e-8 * number**2)


@contextmanager
def _objects(cured: bool) -> Iterator[Extra]:
    import numpy as np

    if cured:
        array = np.zeros((_OBJECTS, 2))
        yield lambda number: array[:_NEW].fill(number)
        return
    pool = deque(([number] for number in range(_OBJECTS)), maxlen=_OBJECTS)
    # All are made before any goes: the collector counts what is made less what goes.
    yield lambda number: pool.extend([[number] for _ in range(_NEW)])


_OBJECTS, _NEW = 150_000, 20_000


@contextmanager
def _cycles(cured: bool) -> Iterator[Extra]:
    def extra(_: int) -> None:
        rows: list[object] = [bytearray(8 * _BYTES)]
        if not cured:
            rows.append(rows)

    yield extra


@contextmanager
def _rows(cured: bool) -> Iterator[Extra]:
    cache: deque[bytes] = deque(maxlen=_BOUND if cured else None)
    # Written to: memory that nobody has touched is none.
    yield lambda number: cache.append(bytes([number % 255 + 1]) * _BYTES)


@contextmanager
def _pages(cured: bool) -> Iterator[Extra]:
    """Read a mapped file from its begin on: the pages are the kernel's, who takes them back."""
    del cured
    with TemporaryFile() as file:
        file.truncate(_BYTES * _MAPPED)
        with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:

            def extra(number: int) -> None:
                start = number % _MAPPED * _BYTES
                sum(mapped[start : start + _BYTES : mmap.PAGESIZE])

            yield extra


_MAPPED = 1 << 11


@contextmanager
def _worker(cured: bool) -> Iterator[Extra]:
    """Send rows to another process, which keeps them all or the latest."""
    from subprocess import PIPE, Popen

    command = [sys.executable, "-I", "-S", "-c", _KEEPING, str(_BYTES), str(_BOUND if cured else 1 << 30)]
    with Popen(command, stdin=PIPE, stdout=PIPE, bufsize=0) as worker:
        if worker.stdin is None or worker.stdout is None:
            raise OSError("a process was started without the pipes that it was to have")
        to_it, from_it = worker.stdin, worker.stdout

        def extra(number: int) -> None:
            to_it.write(bytes([number % 255 + 1]))
            from_it.read(1)

        yield extra
        to_it.close()


_KEEPING = """
import collections, sys
size, most = map(int, sys.argv[1:])
kept = collections.deque(maxlen=most)
while rows := sys.stdin.buffer.read(1):
    kept.append(rows * size)
    sys.stdout.buffer.write(rows)
    sys.stdout.buffer.flush()
"""


@contextmanager
def _segments(cured: bool) -> Iterator[Extra]:
    """Write rows to segments of shared memory without a name, and release each at once, or all at the end."""
    with ExitStack() as segments:

        def extra(number: int) -> None:
            segment = mmap.mmap(-1, _BYTES)
            segment.write(bytes([number % 255 + 1]) * _BYTES)
            if cured:
                segment.close()
            else:
                segments.enter_context(segment)

        yield extra


_REST_S = 2e-3
"""Between files or threads, which each batch has one of: quicker ones would be more than a process may have."""


@contextmanager
def _descriptors(cured: bool) -> Iterator[Extra]:
    with ExitStack() as files:

        def extra(_: int) -> None:
            sleep_s(_REST_S)
            file = files.enter_context(Path(os.devnull).open("rb"))
            if cured:
                file.close()

        yield extra


@contextmanager
def _threads(cured: bool) -> Iterator[Extra]:
    ended = Event()
    started: list[Thread] = []

    def extra(_: int) -> None:
        sleep_s(_REST_S)
        thread = Thread(target=lambda: cured or ended.wait())
        thread.start()
        thread.join() if cured else started.append(thread)

    try:
        yield extra
    finally:
        ended.set()
        for thread in started:
            thread.join()


_EXTRAS = {
    "index": _index, "wait": _wait, "objects": _objects, "cycles": _cycles, "rows": _rows, "pages": _pages,
    "worker": _worker, "segments": _segments, "descriptors": _descriptors, "threads": _threads,
}  # fmt: skip

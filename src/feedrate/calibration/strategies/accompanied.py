"""Serve what is planned beside a thread or a process that works for nobody, in a known way."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from threading import Event, Thread
from typing import TYPE_CHECKING

from feedrate.builtin.loaders.inline import Inline
from feedrate.plugin.loader import Loader
from feedrate.plugin.strategy import knob
from feedrate.system.synthetic_load import burn_python

if TYPE_CHECKING:
    from feedrate.loading.plan import Plan
    from feedrate.plugin.loader import Stream

__all__ = ["Accompanied"]

_PIECE_S = 0.05
_WORK = memoryview(bytes(1 << 24))


@dataclass(frozen=True)
class Accompanied(Loader):
    """Serve what is planned when it is asked for, and keep one companion until the stream ends."""

    name = "accompanied"
    hidden = True
    by: str = knob("python", "sleep", "native", "process")
    """A thread that computes in Python, that sleeps, that computes without the interpreter; a process in Python."""

    def stream(self, plan: Plan) -> Stream:
        companion = _process() if self.by == "process" else _thread(self.by)
        with companion, closing(Inline(cast=self.cast).stream(plan)) as batches:
            yield from batches


@contextmanager
def _thread(kind: str) -> Iterator[None]:
    ended = Event()
    work: dict[str, Callable[[], object]] = {
        "python": lambda: burn_python(_PIECE_S),
        "sleep": lambda: ended.wait(_PIECE_S),
        # In long pieces, each of which needs the interpreter for a moment only.
        "native": lambda: hashlib.blake2b(_WORK).digest(),
    }

    def accompany() -> None:
        while not ended.is_set():
            work[kind]()

    thread = Thread(target=accompany, name="companion")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def _process() -> Iterator[None]:
    process = get_context("fork").Process(target=_compute_for_ever, daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


def _compute_for_ever() -> None:
    while True:
        burn_python(_PIECE_S)

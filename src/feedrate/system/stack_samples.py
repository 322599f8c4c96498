"""Look at where a thread of this process is, many times a second, while it works untimed."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from threading import Event, Thread, get_ident
from types import FrameType

from feedrate.records.code_place import CodePlace

__all__ = ["StackSamples", "ThreadLooks", "sampled"]

_LOOK_S = 0.001
_SWITCH_S = 1e-4
"""Seconds after which the interpreter is taken from a thread that is looked at: with the usual 5 ms it would be met
where it lets go by itself, and nowhere else."""
_MOST_PLACES = 3


@dataclass
class StackSamples:
    """Looks at one thread."""

    is_harness: Callable[[FrameType], bool]
    """Whether a frame, and all that called it, is of what runs the strategy."""
    _met: Counter[tuple[str, str]] = field(default_factory=Counter)
    _lines: dict[tuple[str, str], Counter[int]] = field(default_factory=dict)
    _calls: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)
    _looks: int = 0

    def add(self, leaf: FrameType) -> None:
        """Note where a thread is: the innermost function in the file of the strategy, and what it calls."""
        self._looks += 1
        frames = [*takewhile(lambda frame: not self.is_harness(frame), _outwards(leaf))]
        if not frames:
            return
        folder = _folder(frames[-1])
        frame = next(frame for frame in frames if _folder(frame) == folder)
        key = (frame.f_code.co_qualname, frame.f_code.co_filename)
        self._met[key] += 1
        self._lines.setdefault(key, Counter())[frame.f_lineno] += 1
        self._calls.setdefault(key, Counter())["" if leaf is frame else _package(leaf)] += 1

    def places(self) -> tuple[CodePlace, ...]:
        """The functions that were met most often, the first one first."""
        return tuple(
            CodePlace(
                function=_short(key[0]),
                file=Path(key[1]).name,
                line=self._lines[key].most_common(1)[0][0],
                calls=self._calls[key].most_common(1)[0][0],
                share=count / self._looks,
            )
            for key, count in self._met.most_common(_MOST_PLACES)
        )


class ThreadLooks:
    """Looks at all threads of this process, at moments of the caller's choice."""

    def __init__(self) -> None:
        self._met: dict[int, Counter[tuple[str, str, int]]] = {}

    def add(self) -> None:
        """Note for each thread the innermost function of its stack that is not of the standard library."""
        for ident, leaf in sys._current_frames().items():
            frame = next((frame for frame in _outwards(leaf) if not _is_standard(frame)), None)
            # One that waits inside the standard library is called by somebody else's code, and not at work there.
            if frame is not None and not _waits(leaf):
                place = (frame.f_code.co_qualname, frame.f_code.co_filename, frame.f_lineno)
                self._met.setdefault(ident, Counter())[place] += 1

    def place(self, ident: int | None) -> CodePlace | None:
        """Where a thread was met most often; None: nowhere but in the standard library, or waiting."""
        if ident not in self._met:
            return None
        (function, file, line), count = self._met[ident].most_common(1)[0]
        return CodePlace(_short(function), Path(file).name, line, share=count / self._met[ident].total())


@contextmanager
def sampled(is_harness: Callable[[FrameType], bool]) -> Iterator[StackSamples]:
    """Look at the calling thread from another one until the block is left."""
    samples, ended, target = StackSamples(is_harness), Event(), get_ident()

    def look() -> None:
        while not ended.wait(_LOOK_S):
            leaf = sys._current_frames().get(target)
            if leaf is not None:
                samples.add(leaf)

    usual_s, looker = sys.getswitchinterval(), Thread(target=look, name="feedrate-look")
    sys.setswitchinterval(_SWITCH_S)
    looker.start()
    try:
        yield samples
    finally:
        ended.set()
        looker.join()
        sys.setswitchinterval(usual_s)


def _outwards(leaf: FrameType) -> Iterator[FrameType]:
    frame: FrameType | None = leaf
    while frame is not None:
        yield frame
        frame = frame.f_back


def _folder(frame: FrameType) -> str:
    return str(Path(frame.f_code.co_filename).parent)


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _short(function: str) -> str:
    return function.replace("<locals>.", "")


def _waits(leaf: FrameType) -> bool:
    return Path(leaf.f_code.co_filename).stem in ("threading", "queue")


def _is_standard(frame: FrameType) -> bool:
    """Whether a frame's code lies beside `threading`, where the standard library is, and not below site-packages."""
    return Path(frame.f_code.co_filename).is_relative_to(Path(threading.__file__).parent) and (
        "site-packages" not in frame.f_code.co_filename
    )

"""Name the loops of a script in which a loader is iterated: the file and the line where the `for` of each stands."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import FrameType

from feedrate.system.code_paths import LoopLines, is_library, loops_of

__all__ = ["LoopPlace", "loop_places"]

_OURS = f"{Path(__file__).parents[2]}{os.sep}"
"""The folder of this package: its frames lie between a loop and the loader."""


@dataclass(frozen=True)
class LoopPlace:
    """Where a loop stands, or, where it is a library's, the line of the script that calls it."""

    path: str
    line: int
    is_repeated: bool = False
    """It stands in another loop, or in what another one calls."""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"

    @property
    def name(self) -> str:
        """Give file and line in short."""
        return f"{Path(self.path).name}:{self.line}"


def loop_places() -> tuple[LoopPlace, ...]:
    """List the loops that the calling thread is in and that a person wrote, from the innermost outwards."""
    places = [_place(frame) for frame in _own_frames(sys._getframe(1))]
    # A function that goes over the data once may be called in a loop.
    return tuple(
        replace(place, is_repeated=any(outer.is_repeated for outer in places[number:]))
        for number, place in enumerate(places)
    )


def _own_frames(leaf: FrameType) -> Iterator[FrameType]:
    frame: FrameType | None = leaf
    while frame is not None:
        path = frame.f_code.co_filename
        if not path.startswith(_OURS) and not is_library(path):
            yield frame
        frame = frame.f_back


def _place(frame: FrameType) -> LoopPlace:
    path, line = _resolved(frame.f_code.co_filename), frame.f_lineno
    loops = _loops_of(path)
    # A head may go over several lines; one that has its body in its line begins there.
    start = max((loop.start for loop in loops if loop.start <= line < max(loop.body, loop.start + 1)), default=line)
    return LoopPlace(path, start, any(loop.start < start and loop.body <= start <= loop.end for loop in loops))


@cache
def _resolved(path: str) -> str:
    return str(Path(path).resolve())


@cache
def _loops_of(path: str) -> Sequence[LoopLines]:
    return loops_of(Path(path))

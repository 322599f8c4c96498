"""Say where an exception was raised that broke a promise: the frames of it that are a strategy's own."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from feedrate.plugin.strategy import Strategy
from feedrate.system.code_paths import is_library

__all__ = ["Frame", "RemoteError", "frames_of", "own_frames"]

_FEEDRATE = Path(__file__).parents[1]


@dataclass(frozen=True)
class Frame:
    """A line of code that an exception passed through; picklable."""

    file: str
    line: int
    """Counted from 1; 0: it is not known."""
    function: str
    code: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} in {self.function}: {self.code}"


class RemoteError(Exception):
    """Stands for an exception of another process."""

    def __init__(self, text: str, frames: tuple[Frame, ...]) -> None:
        super().__init__(text)
        self.frames = frames


def frames_of(error: BaseException) -> tuple[Frame, ...]:
    """Give the frames that an exception passed through, the outermost first."""
    if isinstance(error, RemoteError):
        return error.frames
    return tuple(
        Frame(frame.filename, frame.lineno or 0, frame.name, frame.line or "")
        for frame in traceback.extract_tb(error.__traceback__)
    )


def own_frames(error: BaseException, strategy: Strategy) -> tuple[Frame, ...]:
    """Give those of the exception that `error` tells of which are neither feedrate's nor a library's, if there is one.

    A strategy that is itself of a library, or ships with feedrate, has its own all the same.
    """
    home = _home(strategy)
    own = (tuple(frame for frame in frames_of(each) if _is_own(frame, home)) for each in _chain(error))
    return next(filter(None, own), ())


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception, what it came from, and so on: the last one that passed through a strategy is named first."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _home(strategy: Strategy) -> Path:
    """The file that a strategy's class stands in; where that is of a package of others, the folder of the package."""
    name = type(strategy).__module__
    top = sys.modules[name.partition(".")[0]]
    file = Path(str(sys.modules[name].__file__))
    folder = Path(str(top.__file__)).parent if hasattr(top, "__path__") and top.__file__ else None
    return file if folder is None or folder == _FEEDRATE else folder


def _is_own(frame: Frame, home: Path) -> bool:
    file = Path(frame.file)
    if file == home or file.is_relative_to(home):
        return True
    return not (is_library(frame.file) or file.is_relative_to(_FEEDRATE))

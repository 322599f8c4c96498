"""Show a result the way the commands do: as text, in HTML, as a DataFrame."""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from feedrate.errors import UsageError
from feedrate.report.rendered import as_html, as_text

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

__all__ = ["Result", "only", "show_raw"]

T = TypeVar("T")


class Result(ABC):
    """Shows itself: `print` as the command does on a pipe, a notebook as the command does on a terminal."""

    @abstractmethod
    def show(self, console: Console, *, explain: bool = False) -> None:
        """Print it; `explain` adds what its columns mean."""

    @abstractmethod
    def to_frame(self) -> pd.DataFrame:
        """Give its numbers as a table; raises `UnavailableError` where pandas is not installed."""

    def __str__(self) -> str:
        return as_text(self.show)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return as_html(self.show)


def only(several: Sequence[T], noun: str) -> T:
    """Give the one that there is.

    Raises:
        UsageError: there are several, or none.
    """
    if len(several) != 1:
        raise UsageError(f"there are {len(several)} {noun}, not one; `.{noun}` has them all")
    return several[0]


def show_raw(console: Console, *files: Path | None) -> None:
    """Print where the raw results lie, if they were written down, and how to look at them."""
    written = [str(file) for file in files if file is not None]
    if written:
        console.print(f"raw         {', '.join(written)}", style="dim", soft_wrap=True)
        way = f"`feedrate report {shlex.quote(written[0])}` makes one page of it, with pictures"
        console.print(f"page        {way}", style="dim", soft_wrap=True)

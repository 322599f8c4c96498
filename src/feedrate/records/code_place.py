"""Name a place in the source that a thread was at when somebody looked."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CodePlace"]


@dataclass(frozen=True)
class CodePlace:
    """A function of a strategy, and the line of it that was met most often."""

    function: str
    file: str
    """Name of the file, without its folder."""
    line: int
    calls: str = ""
    """Package in which the thread was below it most often; empty: in none but its own."""
    share: float = 1.0
    """Of the looks at the thread, the share that met this function."""

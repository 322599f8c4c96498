"""Put feedrate's iterator in the place of a loader's own, in the process that trains."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from typing import Any

from feedrate.system.stopwatch import since_start_s

__all__ = ["patch"]


def patch(loader_class: type[Any]) -> None:
    """Have the iterators of a class of loaders, and of its subclasses, go through this process's session."""
    usual, owner, import_s = loader_class.__iter__, os.getpid(), since_start_s()

    @functools.wraps(usual)
    def iterate(loader: Any) -> Iterator[Any]:
        # A worker that was forked has all this, and trains nothing.
        if os.getpid() != owner:
            own: Iterator[Any] = usual(loader)
            return own
        from feedrate.metering.script.session import session

        return session(import_s).iterator(loader, lambda: usual(loader))

    loader_class.__iter__ = iterate

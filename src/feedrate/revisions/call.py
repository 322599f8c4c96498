"""Describe how the `feedrate run` of one commit is called."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["NO_CONFIG", "PATIENCE_S", "READY", "Invocation"]

PATIENCE_S = 300
"""Seconds `feedrate run` has past the deadline of a sample: to make its data set, and to reap what hangs."""
NO_CONFIG = "FEEDRATE_NO_CONFIG"
"""Variable that has a command look for no file of options: whoever starts it in a checkout says all itself."""
READY = "ready"
"""The first line that `feedrate run --serve` writes: whoever reads it can ask."""


@dataclass(frozen=True)
class Invocation:
    """Interpreter, folders, options and variables that the `feedrate run` of one commit is called with."""

    commit: str
    checkout: Path
    """The project at the commit, from which it is started: it notes the commit of where it is."""
    run: str
    """Of the failure that is noted when it says nothing."""
    raw: Path
    logs: Path
    deadline_s: int
    python: str = sys.executable
    """The interpreter of the commit; in asv's environment it is the one that runs this."""
    options: tuple[str, ...] = ()
    """Further words of the command line."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Variables that are set for it, over ours."""

"""Watch a measured process from outside: its memory, its deadline, and how it ends."""

from __future__ import annotations

import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from feedrate.system import memory
from feedrate.system.procfs import is_stopped, process_tree
from feedrate.system.sampling_flags import SamplingFlags
from feedrate.system.signals import dump_stacks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from feedrate.runner.capped_log import Log
    from feedrate.system.guard import Guarded
    from feedrate.system.scratch import Scratch

__all__ = ["Ending", "watch"]

_SAMPLE_S = 0.1
"""Between two looks at the tree; a look at its memory is left out while a window is timed."""
_REST = 10.0
"""A look at memory is followed by so many times its length without: it takes a core, and locks what it looks at."""
_GRACE_S = 1.0
"""For stack dumps."""
_RESERVE = 0.03
"""Share of the machine's memory below which a run is ended before the kernel picks a victim of its own."""


@dataclass
class Ending:
    """How a process looked from outside, and how it ended."""

    pss_peak: int | None = None
    """Largest proportional set size of the whole process tree."""
    shm_peak: int = 0
    """Growth of /dev/shm."""
    stopped_for: Literal["", "hang", "memory"] = ""
    """Why it was ended from outside; empty: it ended itself."""
    status: int = 0
    left: tuple[str, ...] = ()
    """Commands of what it left running."""
    wall_s: float = 0.0
    """From when it was asked for until it was gone."""


def watch(
    child: Guarded,
    fork_server: int | None,
    scratch: Scratch,
    log: Log,
    timeout_s: float,
    answer: Path | None = None,
    ending_s: float = 0.0,
    look: Callable[[], None] = lambda: None,
    hangs: Callable[[Guarded], None] | None = None,
) -> Ending:
    """Wait for the child, sample its tree's memory, and end it at the deadline or when memory runs out.

    `answer`: a file; once it is there, the child has `ending_s` to end by itself, and whatever comes then counts as
    that. None: it has until the deadline. `look`: called between two looks at the tree. `hangs`: told of a child
    that has not ended at the deadline; None: it and its workers write their stacks themselves.
    """
    ending, shm_before, marks = Ending(), memory.shm_bytes(), SamplingFlags(scratch.folder)
    deadline = time.monotonic() + timeout_s
    next_look, pids, answered = 0.0, {child.pid}, False
    scratch.note(pids)
    while True:
        with suppress(subprocess.TimeoutExpired):
            ending.status = child.wait(_SAMPLE_S)
            return ending
        log.trim()
        look()
        # Another one's turn is not its own time.
        deadline += _SAMPLE_S if is_stopped(child.pid) else 0.0
        if answer is not None and answer.exists():
            deadline, answer = min(deadline, time.monotonic() + ending_s), None
            answered = True
        if answered and time.monotonic() > deadline:
            return ending
        if time.monotonic() > deadline:
            ending.stopped_for = "hang"
            (hangs or _dump_stacks)(child)
            return ending
        if memory.available_bytes() < _RESERVE * memory.total_bytes():
            ending.stopped_for = "memory"
            return ending
        ending.shm_peak = max(ending.shm_peak, memory.shm_bytes() - shm_before)
        start = time.monotonic()
        if marks.sample_requested or (start > next_look and not marks.is_busy):
            family = set(process_tree(child.pid))
            # Pages that nobody wrote to since the fork: half of each counts as the fork server's, and is the child's.
            lent = memory.lent_bytes(fork_server) if fork_server else 0
            ending.pss_peak = max(ending.pss_peak or 0, memory.pss_bytes(family) + lent)
            marks.sample_taken()
            scratch.note(family - pids)
            pids |= family
            next_look = time.monotonic() + (time.monotonic() - start) * _REST


def _dump_stacks(child: Guarded) -> None:
    """Have it and its workers write down what they were doing; those that do not know how would only end."""
    dump_stacks(process_tree(child.pid))
    with suppress(subprocess.TimeoutExpired):
        child.wait(_GRACE_S)

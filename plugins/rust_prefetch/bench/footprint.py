"""Peak memory of a process that drains the loader, over ever more rows."""

from __future__ import annotations

from contextlib import closing
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from layouts import boards
from timing import warm

from feedrate import Plan, Registry

__all__ = ["TIMES", "peaks"]

ROWS = 40_000
TIMES = (1, 4, 16)
SPECS = ("boardmoves[compression=none]", "boardmoves[compression=lz4]")


def peaks(registry: Registry, root: Path) -> dict[str, list[int]]:
    """Bytes that draining adds to the peak of a fresh process, at each of `TIMES` so many rows, by workload.

    Pages of mapped files count, as far as they are mapped at the same time.
    """
    found = {}
    for spec in SPECS:
        plans = [boards(registry.workload(spec), root, ROWS * times, files=2 * times) for times in TIMES]
        found[spec] = [_peak(plan) for plan in plans]
    return found


def _peak(plan: Plan) -> int:
    """The peak that one epoch adds in a fresh process."""
    warm(plan)
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_drained, args=(plan, theirs))
    process.start()
    found = int(ours.recv())
    process.join()
    return found


def _drained(plan: Plan, answer: Connection) -> None:
    loader = Registry.load().loader("rust_prefetch[cast=host]")
    before = _high_water()
    with closing(loader.stream(plan)) as stream:
        for batch in stream:
            del batch
    answer.send(_high_water() - before)


def _high_water() -> int:
    """Bytes: the largest resident set of this process so far, which a program starts from nothing."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) * 1024

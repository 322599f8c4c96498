"""Measure what a verdict costs beside a plain measurement: `python scripts/verdict_cost.py` (make bench-why).

Each turn measures each cell as `feedrate run` does and takes it apart as `feedrate why` does, with the same number of
replicates, in fresh processes; which of the two comes first alternates. Printed is how many times the cost of the
plain measurement that of the verdict is, for each cell and over all, by two clocks:

- the sum of `phases`, which is all the time from asking for a process to its end;
- processor time of the measured processes and of all below them, which neighbours stretch less. The import of torch,
  which is paid once a command, is in neither.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from feedrate.api.datasets import ensure
from feedrate.diagnosis.diagnosis import diagnose
from feedrate.plugin.cell import Cell
from feedrate.plugin.registry import Registry
from feedrate.records.measurement import Failure, Measurement
from feedrate.records.phases import Phases, summed
from feedrate.report.console import console
from feedrate.runner.forkserver import ForkServer
from feedrate.runner.isolation import ReplicateSettings, measure

CELLS = ("boardmoves/tiny/workers/fp32/cpu", "boardmoves/tiny/inline/none/cpu", "fxseq/tiny/threads/fp32/cpu")
WARM_UP = "boardmoves/tiny/inline/none/cpu"
"""Measured once before all others: it waits for the process that imports torch."""


@dataclass
class Cost:
    """What several processes cost."""

    phases: Phases = field(default_factory=Phases)
    core_s: float = 0.0

    def add(self, other: Cost) -> None:
        """Take the cost of more processes into account."""
        self.phases, self.core_s = summed([self.phases, other.phases]), self.core_s + other.core_s


@dataclass(frozen=True)
class Harness:
    """Starts processes and says what they cost."""

    settings: ReplicateSettings
    threads: int
    replicates: int

    def plain(self, cell: str) -> Cost:
        """Measure a cell as `feedrate run` does."""
        with self._clocked() as cost:
            outcomes = [measure(cell, replace(self.settings, replicate=number)) for number in range(self.replicates)]
            cost.phases = summed(map(phases_of, outcomes))
        return cost

    def verdict(self, cell: str) -> Cost:
        """Take a cell apart as `feedrate why` does."""
        with self._clocked() as cost:
            outcome = diagnose(cell, self.settings, replicates=self.replicates)
            if isinstance(outcome, Failure):
                raise SystemExit(f"{cell}: {outcome.why}: {outcome.reason}")
            cost.phases = summed(map(phases_of, outcome.measured))
        return cost

    @contextmanager
    def _clocked(self) -> Iterator[Cost]:
        """Count the processor time of all that is forked inside the block and ends there."""
        pid, cost = self._pid, Cost()
        before = _core_s(pid)
        yield cost
        if pid is not None and pid != self._pid:
            raise SystemExit(
                "another process forks since then: the code changed meanwhile, or it was killed; run it anew"
            )
        cost.core_s = _core_s(pid) - before

    @property
    def _pid(self) -> int | None:
        """The process that forks those that are measured; None: none has been forked yet."""
        fork_server = self.settings.fork_server
        return None if fork_server is None else fork_server.pid(self.threads)


def _core_s(pid: int | None) -> float:
    """Read what the kernel adds up of the children of a process that ended, and of theirs; 0 of no process."""
    if pid is None:
        return 0.0
    # Behind the name, which may hold anything: user and system time of waited-for children are fields 16 and 17.
    values = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(values[13]) + int(values[14])) / os.sysconf("SC_CLK_TCK")


def phases_of(outcome: Measurement | Failure) -> Phases:
    """Give where the time of a process went; a cell that has no number ends the comparison."""
    if isinstance(outcome, Failure):
        raise SystemExit(f"{outcome.cell}: {outcome.why}: {outcome.reason}")
    return outcome.phases or Phases()


def compare(harness: Harness, cells: Sequence[str], turns: int) -> None:
    """Measure all cells by turns, and print what a verdict costs."""
    harness.plain(WARM_UP)
    costs = {cell: (Cost(), Cost()) for cell in cells}
    for turn in range(turns):
        for cell, (plain, verdict) in costs.items():
            for kind in ("plain", "verdict") if turn % 2 == 0 else ("verdict", "plain"):
                plain.add(harness.plain(cell)) if kind == "plain" else verdict.add(harness.verdict(cell))
    total = Cost(), Cost()
    for cell, (plain, verdict) in costs.items():
        print(f"{cell}: {ratios(plain, verdict)}")
        print(f"  plain:   {spent(plain)}")
        print(f"  verdict: {spent(verdict)}", flush=True)
        total[0].add(plain)
        total[1].add(verdict)
    print(f"all {len(cells)} cells: {ratios(*total)}")


def ratios(plain: Cost, verdict: Cost) -> str:
    """Say how many times as much a verdict costs, by both clocks."""
    by_time, by_core = verdict.phases.total_s / plain.phases.total_s, verdict.core_s / plain.core_s
    return f"a verdict costs x{by_time:.2f} in time, x{by_core:.2f} in processor time"


def spent(cost: Cost) -> str:
    """List the seconds of each phase that took any."""
    parts = ", ".join(f"{name} {seconds:.1f}" for name, seconds in cost.phases.items() if seconds >= 0.05)
    return f"{cost.phases.total_s:.1f} s ({parts}), {cost.core_s:.1f} s of processors"


def main() -> None:
    """Read the options and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cells", nargs="*", default=CELLS, help=f"keys of cells (default: {' '.join(CELLS)})")
    parser.add_argument("--turns", type=int, default=2, metavar="N", help="of each cell (default: 2)")
    parser.add_argument("--replicates", type=int, default=3, metavar="N", help="of either in a turn (default: 3)")
    parser.add_argument("--seconds", type=float, default=0.4, help="aim of each of the three times (default: 0.4)")
    parser.add_argument("--threads", type=int, help="of each pool (default: the cores)")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the data sets")
    options = parser.parse_args()
    recipes = {cell.recipe.folder_name: cell.recipe for cell in (parsed(key) for key in (*options.cells, WARM_UP))}
    with TemporaryDirectory() as logs, ForkServer.opened({}) as fork_server, Path(os.devnull).open("w") as nothing:
        ensure(recipes.values(), options.data, console(nothing), quiet=True)
        settings = ReplicateSettings(
            options.data, Path(logs), "cost", seconds=options.seconds, threads=options.threads, fork_server=fork_server
        )
        threads = options.threads or len(os.sched_getaffinity(0))
        compare(Harness(settings, threads, options.replicates), options.cells, options.turns)


def parsed(key: str) -> Cell:
    """Read the key of a cell."""
    return Cell.parse(key, Registry.load())


if __name__ == "__main__":
    main()

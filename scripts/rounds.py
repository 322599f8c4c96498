"""What rounds are worth beside a neighbour that disturbs: `python scripts/rounds.py [--cells N]` (make bench-rounds).

One process for each loader times one step in many rounds, while a neighbour that is started here keeps cores busy by
fits and starts. Twelve rounds in a row are one cell, as long as a cell of `feedrate run`; all rounds of a process
together are the truth about it. Printed:

1. In how many cells the 95 % interval of a ceiling holds the truth, how far the ceiling is from it, how wide the
   interval is: by turns, as they were timed; and as if in blocks, all F before all L before all S, from the same lines:
   F of the cell's first third, L of its second, S of its last one.
2. T_S of the one step over the loaders, largest over smallest: of the first cell of each, and of all.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from feedrate.metering.budget import MeasurementBudget
from feedrate.metering.meter import Meter
from feedrate.metering.ranks import Alone
from feedrate.metering.turns import Turns
from feedrate.plugin.cell import Cell
from feedrate.plugin.registry import Registry
from feedrate.records.answer import MeasuredCell
from feedrate.records.codec import decoded, encoded
from feedrate.records.window import Window, mean_sample_s
from feedrate.records.window_estimates import Ratio, paired_ratio, unpaired_ratio
from feedrate.system.guard import bound
from feedrate.system.sampling_flags import SamplingFlags
from feedrate.system.synthetic_load import burn_cpu

LOADERS = ("inline", "threads", "workers")
ROUNDS = 12
"""Of a cell."""
BURST_S = 0.4
"""Mean length of a stretch in which the neighbour is busy, and of one in which it is not."""


@dataclass(frozen=True)
class Rounds:
    """Windows that were timed by turns."""

    full: tuple[Window, ...]
    step: tuple[Window, ...]
    loader: tuple[Window, ...]

    def cells(self) -> Iterator[Rounds]:
        """Yield twelve rounds after the other."""
        for start in range(0, len(self.full) - ROUNDS + 1, ROUNDS):
            part = slice(start, start + ROUNDS)
            yield Rounds(self.full[part], self.step[part], self.loader[part])

    def by_turns(self) -> tuple[Ratio, Ratio]:
        """x_L and x_S as they are printed."""
        return paired_ratio(self.full, self.step), paired_ratio(self.full, self.loader)

    def in_blocks(self) -> tuple[Ratio, Ratio]:
        """x_L and x_S from a third of the time each."""
        full, loader, step = self.blocks()
        return unpaired_ratio(full, step), unpaired_ratio(full, loader)

    def blocks(self) -> tuple[tuple[Window, ...], tuple[Window, ...], tuple[Window, ...]]:
        """F of the first third, L of the second, S of the last."""
        third = len(self.full) // 3
        return self.full[:third], self.loader[third : 2 * third], self.step[2 * third :]


def measured(cell: Cell, data: Path, cells: int) -> Rounds:
    """Time a cell in this process, in rounds that are as long as those of a plain run, but many more."""
    once = MeasurementBudget()
    # The same windows: so many times the time, in so many times the rounds.
    effort = replace(
        once, seconds=once.seconds * cells, most_rounds=ROUNDS * cells, least_rounds=ROUNDS * cells, memory_s=0.0
    )
    with TemporaryDirectory() as folder:
        marks = SamplingFlags(Path(folder))
        answer: MeasuredCell = Meter(cell, cell.recipe.open(data), effort, marks, Turns(None, marks), Alone()).measure()
    rounds = answer.stream.rounds
    return Rounds(rounds.full_windows, rounds.step_windows, rounds.loader_windows)


def disturb() -> None:
    """Keep a core busy by fits and starts until somebody ends this process."""
    lengths = random.Random(0)
    while True:
        burn_cpu(lengths.expovariate(1 / BURST_S))
        time.sleep(lengths.expovariate(1 / BURST_S))


@contextmanager
def neighbours(count: int) -> Iterator[None]:
    """Have so many processes disturb until the block is left."""
    command = bound([sys.executable, __file__, "--disturb"])
    started = [subprocess.Popen(command) for _ in range(count)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def sampled(key: str, data: Path, cells: int) -> Rounds:
    """The same from a process of its own."""
    command = [sys.executable, __file__, "--sample", key, "--data", str(data), "--cells", str(cells)]
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return decoded(Rounds, json.loads(text))


def show_ceilings(title: str, found: Sequence[tuple[Ratio, float]]) -> None:
    """Print what the intervals of many cells are worth, each beside its truth."""
    held = sum(abs(ratio.log.mean - truth) <= (ratio.log.half or 0.0) for ratio, truth in found)
    miss = math.sqrt(statistics.fmean((ratio.log.mean - truth) ** 2 for ratio, truth in found))
    half = statistics.median(ratio.log.half or 0.0 for ratio, _ in found)
    print(
        f"{title}: {held} of {len(found)} intervals hold the truth ({held / len(found):.0%}),"
        f" off by {math.expm1(miss):.1%} (root mean square), +-{math.expm1(half):.1%} (median)"
    )


def spread(times_s: Sequence[float]) -> str:
    return f"x{max(times_s) / min(times_s):.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=17, metavar="N", help="cells for each loader (default: 17)")
    parser.add_argument("--neighbours", type=int, default=1, metavar="N", help="processes that disturb (default: 1)")
    parser.add_argument("--cell", default="boardmoves/tiny/{}/fp32/cpu", help="key of the cell; {} is the loader")
    parser.add_argument("--loaders", nargs="+", default=LOADERS, help=f"default: {' '.join(LOADERS)}")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the data sets")
    parser.add_argument("--save", type=Path, metavar="FILE", help="write the windows there, as JSON")
    parser.add_argument("--sample", metavar="CELL", help=argparse.SUPPRESS)
    parser.add_argument("--disturb", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.disturb:
        disturb()
    if options.sample:
        cell = Cell.parse(options.sample, Registry.load())
        print(json.dumps(encoded(measured(cell, options.data, options.cells))), flush=True)
        # Taking torch apart would only cost time, and says at length what its libraries leak.
        os._exit(0)
    with neighbours(options.neighbours):
        runs = [sampled(options.cell.format(loader), options.data, options.cells) for loader in options.loaders]
    if options.save:
        options.save.write_text(json.dumps([encoded(run) for run in runs]))
    for kind, name in enumerate(("x_L", "x_S")):
        truths = [run.by_turns()[kind].log.mean for run in runs]
        pairs = [(cell, truth) for run, truth in zip(runs, truths, strict=True) for cell in run.cells()]
        show_ceilings(f"{name} by turns ", [(cell.by_turns()[kind], truth) for cell, truth in pairs])
        show_ceilings(f"{name} in blocks", [(cell.in_blocks()[kind], truth) for cell, truth in pairs])
    # One cell of each loader is what a table shows: the n-th ones together.
    tables = list(zip(*(run.cells() for run in runs), strict=True))
    for name, times in (
        ("by turns ", [[mean_sample_s(cell.step) for cell in table] for table in tables]),
        ("in blocks", [[mean_sample_s(cell.blocks()[2]) for cell in table] for table in tables]),
    ):
        middle = statistics.median(max(each) / min(each) for each in times)
        print(f"T_S over {len(runs)} loaders {name}: largest over smallest x{middle:.2f} (median of {len(times)})")
    print(f"T_S over {len(runs)} loaders, all rounds: {spread([mean_sample_s(run.step) for run in runs])}")


if __name__ == "__main__":
    main()

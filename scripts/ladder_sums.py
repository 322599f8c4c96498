"""Whether the parts of a cell sum to its T_F: `python scripts/ladder_sums.py [--times N]` (make bench-ladder).

`feedrate why` takes each cell apart so many times. What its parts leave unexplained must be at most 5 % of T_F, or zero
must lie in its interval, which then reaches at most 10 % of T_F from it. Exit status: 0 if that holds each time, or 1.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from rich.console import Console
from rich.table import Table

WORKLOADS = ("boardmoves", "daywindows", "fxseq")
LOADERS = ("workers", "threads", "rust_prefetch")
CLOSE, WIDEST = 0.05, 0.10
"""Shares of T_F."""


@dataclass(frozen=True)
class Rest:
    """What the parts of one diagnosis leave of T_F; shares are of that."""

    cell: str
    full_ms: float
    share: float
    half: float | None
    """Half its 95 % interval; None: one replicate has none."""
    replicates: int
    verdict: str
    seconds: float

    @property
    def sums(self) -> bool:
        """Whether the parts sum to T_F."""
        if abs(self.share) <= CLOSE:
            return True
        return self.half is not None and abs(self.share) <= self.half <= WIDEST


def taken_apart(workload: str, loader: str, arguments: list[str]) -> Rest:
    """Ask `feedrate why` once.

    Raises:
        SystemExit: it gives no diagnosis, or left out what the parts are told by.
    """
    start = monotonic()
    command = [sys.executable, "-m", "feedrate", "why", workload, loader, "fp32", "--json", "--quiet", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    try:
        (answer,) = json.loads(done.stdout)
    except ValueError:
        raise SystemExit(f"`{' '.join(command[2:])}` ended with status {done.returncode}, and no JSON") from None
    evidence: dict[str, Any] = answer["evidence"]
    rest, full_s = evidence["unexplained_s"], evidence["full_s"]["mean"]
    if rest is None:
        raise SystemExit(f"{answer['cell']}: its parts were not measured")
    half = None if rest["half"] is None else rest["half"] / full_s
    kind, count = answer["verdict"]["kind"], evidence["replicates"]
    return Rest(answer["cell"], full_s * 1e3, rest["mean"] / full_s, half, count, kind, monotonic() - start)


def main() -> int:
    """Take all cells apart, and print what their parts leave."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=2, metavar="N", help="diagnoses of each cell (default: 2)")
    parser.add_argument("--size", default="small", help="of the data sets (default: small)")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the data sets")
    options = parser.parse_args()
    arguments = ["--size", options.size, "--device", "cpu", "--data", str(options.data)]
    table = Table("cell", "T_F, ms", "unexplained", "+-", "processes", "verdict", "s", "", box=None)
    rests = []
    for number in range(options.times):
        for workload in WORKLOADS:
            for loader in LOADERS:
                rest = taken_apart(workload, loader, arguments)
                rests.append(rest)
                print(f"{number + 1}: {rest}", file=sys.stderr, flush=True)
                half = "-" if rest.half is None else f"{rest.half:.1%}"
                cells = (rest.cell, f"{rest.full_ms:.3g}", f"{rest.share:+.1%}", half, str(rest.replicates))
                table.add_row(*cells, rest.verdict, f"{rest.seconds:.0f}", "sums" if rest.sums else "DOES NOT SUM")
    Console(width=140).print(table)
    total = sum(rest.sums for rest in rests)
    print(f"{total} of {len(rests)} sum to T_F")
    return int(total < len(rests))


if __name__ == "__main__":
    sys.exit(main())

"""`python -m tests.torture`: see `--help`; `make torture` runs it."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.torture.attacks import Attack
from tests.torture.campaign import carried_out
from tests.torture.faults import COMPILER
from tests.torture.rounds import Result


def main() -> int:
    """Attack runs until enough of their processes were killed: 0 all that must hold does, 1 something does not."""
    options = _options()
    if COMPILER is None:
        print("torture: skipped: no gcc here to build the layer that makes system calls fail")
        return 0
    start = time.monotonic()
    results = []
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    options.log.parent.mkdir(parents=True, exist_ok=True)
    with options.log.open("w") as log:
        for result in carried_out(_attacks(options), options.kills, options.lanes, folder):
            results.append(result)
            print(json.dumps(result.as_json()), file=log, flush=True)
            if not result.good:
                print(_complaint(result), flush=True)
    shutil.rmtree(folder)
    print(_figures(results, time.monotonic() - start), f"log         {options.log}", sep="\n")
    return int(not all(result.good for result in results))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tests.torture", description="Kill runs of feedrate at moments that a seed decides."
    )
    parser.add_argument("--seed", type=int, default=0, help="what decides all moments: 0")
    parser.add_argument("--kills", type=int, default=200, help="processes to kill: 200")
    parser.add_argument("--only", type=int, action="append", help="carry this number out alone; may be repeated")
    parser.add_argument("--bench-every", type=int, default=33, help="each so many-th attack is on asv: 33; 0: none")
    parser.add_argument("--lanes", type=int, default=len(os.sched_getaffinity(0)), help="runs at a time")
    parser.add_argument("--log", type=Path, default=Path("out/torture.jsonl"), help="one JSON line an attack")
    return parser.parse_args()


def _attacks(options: argparse.Namespace) -> Iterator[Attack]:
    numbers = iter(options.only) if options.only else iter(range(1, 10 * options.kills))
    return (Attack.drawn(options.seed, number, bench_every=options.bench_every) for number in numbers)


def _complaint(result: Result) -> str:
    wrong = "; ".join((*result.lost, *result.leftovers, *result.faults))
    return f"attack {result.attack.number}: {result.attack.command}, {result.victim or 'nothing hit'}: {wrong}"


def _figures(results: list[Result], wall_s: float) -> str:
    hits = [result for result in results if result.hit]
    targets = Counter(result.attack.target for result in hits if result.attack.kills)
    each = ", ".join(f"{target} {count}" for target, count in targets.most_common())
    lines = {
        "kills": f"{sum(targets.values())} ({each})",
        "failed": f"{sum(not result.attack.kills for result in hits)} system calls",
        "missed": f"{len(results) - len(hits)} moments that came after the end of the run",
        "lost": f"{sum(len(result.lost) for result in results)} measurements",
        "leftovers": f"{sum(len(result.leftovers) for result in results)}",
        "faults": f"{sum(len(result.faults) for result in results)}",
        "took": f"{wall_s:.0f} s",
    }
    return "\n".join(f"{name:<11} {text}" for name, text in lines.items())


if __name__ == "__main__":
    sys.exit(main())

"""This loader alone, the others and the floor, in one run, interleaved.

    python bench                        # every workload and layout, at size small and as at least 1 GB
    python bench --readers 1 2          # how it scales with threads
    python bench --footprint            # peak memory over 1x, 4x, 16x rows
    python bench --layers --size small  # what each layer costs the consumer

Batches are widened on the host, so that all loaders do the same work. The clock starts when the first epoch has come:
processes are up, memory is touched. Files are read twice before; bytes that the disk had to give meanwhile are counted
and shown. The floor is one Rust function that decodes each byte once and cuts each batch once with as many threads.
What taking a batch costs its consumer is told in user CPU time of that thread, which neighbours on the machine disturb
less than a clock.
"""

from __future__ import annotations

import argparse
import json
import platform
from dataclasses import asdict
from pathlib import Path

from footprint import TIMES, peaks
from layers import costs, layers
from layouts import SIZES, layouts
from rich.console import Console
from tables import consumers, times
from timing import Timing, contestants, measured

from feedrate import Registry


def main() -> None:
    """Measure what the arguments ask for."""
    arguments = asked()
    registry, console = Registry.load(), Console(width=160)
    if arguments.footprint:
        for spec, found in peaks(registry, arguments.data).items():
            rows = ", ".join(f"{n}x {peak / 1e6:,.0f} MB" for n, peak in zip(TIMES, found, strict=True))
            console.print(f"{spec}: draining an epoch adds to the peak of a fresh process: {rows}", markup=False)
        return
    if arguments.layers:
        for size in arguments.size:
            chosen = [layout for layout in layouts(registry) if arguments.only in layout.name]
            times_by_layout = {it.name: costs(it.plan(arguments.data, size), arguments.rounds) for it in chosen}
            console.print(layers(times_by_layout, size))
        return
    timings: list[Timing] = []
    for size in arguments.size:
        for layout in layouts(registry):
            if arguments.only in layout.name:
                plan, who = layout.plan(arguments.data, size), contestants(registry, arguments.readers)
                timings += measured((layout.name, size), plan, who, arguments.rounds)
                medians = {timing.loader: round(timing.median) for timing in timings[-len(who) :]}
                console.print(f"{size}, {layout.name}: {medians}", markup=False)
                keep(arguments, timings)
        console.print(times(timings, size))
        console.print(consumers(timings, size))
    disk = sum(timing.disk_bytes for timing in timings)
    console.print(f"page cache: warm; {disk:,} bytes came from the disk while the clocks ran")


def keep(arguments: argparse.Namespace, timings: list[Timing]) -> None:
    """Write down what is known so far."""
    about = {"machine": platform.node(), "readers": arguments.readers}
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(about | {"timings": [asdict(timing) for timing in timings]}, indent=1))


def asked() -> argparse.Namespace:
    """The arguments."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder for the data sets")
    parser.add_argument("--size", nargs="+", choices=SIZES, default=SIZES)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="layouts whose name contains this")
    parser.add_argument("--readers", type=int, nargs="+", default=[0], help="compare these numbers of threads")
    parser.add_argument("--footprint", action="store_true", help="peak memory instead of times")
    parser.add_argument("--layers", action="store_true", help="what each layer costs the consumer instead of times")
    parser.add_argument("--json", type=Path, default=Path("bench-rust.json"))
    return parser.parse_args()


if __name__ == "__main__":
    main()

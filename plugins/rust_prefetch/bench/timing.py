"""Nanoseconds a row of loaders alone and of the floor, in turn."""

from __future__ import annotations

import gc
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from feedrate import Plan, Registry
from feedrate_rust_prefetch.blocks import Blocks, source

__all__ = ["Timing", "contestants", "measured", "no_collection", "user_s", "warm"]

LOADERS = ("inline[cast=host]", "threads[cast=host]", "workers[cast=host,count=2]", "rust_prefetch[cast=host]")
SECONDS = 1.0
"""A measurement has as many epochs as take about this long."""
LONGEST_S = 4.0
"""Of a stream whose epochs are longer than that, so much is timed, after as much that is not."""


@dataclass(frozen=True)
class Timing:
    """What one loader needed on one layout."""

    layout: str
    size: str
    loader: str
    stored_bytes: int
    """Of the data set's rows, unpacked."""
    ns_per_row: tuple[float, ...]
    """One a round."""
    disk_bytes: int
    """Read from the disk while the clock ran, by this process."""
    consumer_us: tuple[float, ...] = ()
    """User CPU time a batch of the thread that takes the batches, one a round; empty: nobody takes them."""

    @property
    def median(self) -> float:
        """Median of the rounds."""
        return statistics.median(self.ns_per_row)


@dataclass(frozen=True)
class Run:
    """What was timed of one stream."""

    s: float
    rows: int
    batches: int = 0
    consumer_s: float = 0.0
    """User CPU time of the thread that took the batches: waiting for a core, or for a batch, does not count."""


Timed = Callable[[Plan], Run]
"""Runs through a plan with one epoch more than is to be timed."""


def drained(registry: Registry, spec: str, plan: Plan) -> Run:
    """All epochs but the first, or as many batches as `LONGEST_S` has room for; without collections of garbage."""
    rows, batches, begin, used_s = 0, 0, 0.0, 0.0
    with closing(registry.loader(spec).stream(plan)) as stream, no_collection():
        opened = now = time.perf_counter()
        for number, batch in enumerate(stream, 1):
            size, now = len(batch), time.perf_counter()
            del batch
            if not begin:
                begin = now if number == plan.epoch_batches or now > opened + LONGEST_S else 0.0
                used_s = user_s() if begin else 0.0
                continue
            rows, batches = rows + size, batches + 1
            if now > begin + LONGEST_S:
                break
        used_s = user_s() - used_s
    return Run(now - begin, rows, batches, used_s)


def user_s() -> float:
    """Seconds of user CPU time of this thread."""
    return resource.getrusage(resource.RUSAGE_THREAD).ru_utime


@contextmanager
def no_collection() -> Iterator[None]:
    """Collect no garbage inside the block."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def floor(plan: Plan, readers: int) -> Run:
    """All epochs but the first, without order or consumer."""
    native = source(plan)
    blocks = Blocks(plan, native)
    first, planned = len(plan.stored_blocks), list(plan.blocks())
    described = [blocks.native(block) for block in planned]
    rows = sum(block.samples for block in planned[first:])
    return Run(native.floor(described[:first], described[first:], readers, 7), rows)


def warm(plan: Plan) -> None:
    """Read every file twice: the second time makes it a page that the kernel would rather keep."""
    for _ in range(2):
        for index in range(len(plan.data.shards)):
            plan.data.path(index).read_bytes()


def disk_bytes() -> int:
    """Bytes that this process has read from the disk."""
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(lines["read_bytes"])


def contestants(registry: Registry, readers: list[int]) -> dict[str, Timed]:
    """What is timed, by name."""

    def drain(spec: str) -> Timed:
        return lambda plan: drained(registry, spec, plan)

    def least(count: int) -> Timed:
        return lambda plan: floor(plan, count)

    if readers == [0]:
        return {spec.partition("[")[0]: drain(spec) for spec in LOADERS} | {"floor": least(0)}
    ours = {f"rust_prefetch[readers={n}]": drain(f"rust_prefetch[cast=host,readers={n}]") for n in readers}
    return ours | {f"floor, {n}": least(n) for n in readers}


def measured(names: tuple[str, str], plan: Plan, who: Mapping[str, Timed], rounds: int) -> list[Timing]:
    """Time everybody on the layout and size of that name, in turn, `rounds` times."""
    warm(plan)
    epochs = {name: enough_epochs(plan, run) for name, run in who.items()}
    times: dict[str, list[float]] = {name: [] for name in who}
    consumers: dict[str, list[float]] = {name: [] for name in who}
    disk = dict.fromkeys(who, 0)
    for _ in range(rounds):
        for name, run in who.items():
            before = disk_bytes()
            ran = run(plan.for_epochs(epochs[name] + 1))
            disk[name] += disk_bytes() - before
            times[name].append(ran.s / ran.rows * 1e9)
            if ran.batches:
                consumers[name].append(ran.consumer_s / ran.batches * 1e6)
    stored = plan.epoch_bytes
    return [Timing(*names, name, stored, tuple(times[name]), disk[name], tuple(consumers[name])) for name in who]


def enough_epochs(plan: Plan, run: Timed) -> int:
    """Epochs that take about `SECONDS`."""
    epochs = 1
    while True:
        took = run(plan.for_epochs(epochs + 1)).s
        if took > SECONDS / 4 or epochs > 500:
            return max(1, min(2_000, round(epochs * SECONDS / max(took, 1e-3))))
        epochs *= 4

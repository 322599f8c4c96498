"""Reject a measurement, call it doubtful, or add a remark: docs/decisions/0008-validity.md."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from feedrate.records.cell_key import SIMULATED, CellKey
from feedrate.records.measurement import Measurement

if TYPE_CHECKING:
    from feedrate.records.conditions import GpuClock
    from feedrate.records.measurement import Outcome

__all__ = [
    "doubts",
    "had_foreign_load",
    "identical_results",
    "is_doubtful",
    "read_from_disk",
    "refusals",
    "remarks",
    "remarks_on",
    "without_superseded",
]

_SLOW_CLOCK = 0.75
"""Share of the default clock below which a GPU does not show what it can do."""
_THROTTLED: Mapping[int, str] = {0x08: "hardware slowdown", 0x20: "heat", 0x40: "heat", 0x80: "power brake"}
"""NVML's reasons that are faults of the place, not of the work: HwSlowdown, SwThermal, HwThermal, HwPowerBrake."""
_IDLE = 0x01
"""NVML's reason GpuIdle: the clock of a GPU that has nothing to do says nothing."""
_DISK_BYTES = 1 << 20
_DISK_SHARE = 0.01
"""Of the bytes served: less than this, and less than `_DISK_BYTES`, is the machine's own business."""
_FOREIGN_WORD, _FOREIGN_DOUBT = 0.10, 0.25
"""Share of the cores that others kept busy."""
_NO_ROOM = 0.05
"""Share of the cores left idle below which others' work is done at the measurement's cost."""
_SWAPPED_PAGES = 256
_STALLED = 0.05
"""Share of the time that some process waited for memory to be found."""
_CONTRADICTIONS = (("fp32", False), ("tf32", True))
"""What a step says of its precision, and whether torch multiplies without TF32, that do not go together."""
_HOLES = 0.05
"""Share of a target that may be missing without a word."""
_IDLE_GPU = 0.5
"""A GPU that is busy for a smaller share of a training is worth a word; 80 to 90 % is what people aim at."""
_LEAK = "a leak: "
_LEAK_BYTES = 4 << 20
"""Growth over all epochs seen below which allocators' habits are no leak."""


def refusals(measurement: Measurement) -> Iterator[str]:
    """Yield why the numbers must not be shown; nothing for a measurement that stands."""
    yield from _other_step(measurement.requested, measurement.observed)
    clocks = measurement.conditions.clocks if measurement.conditions else ()
    for clock in clocks:
        yield from _slow(clock)


def _other_step(requested: Mapping[str, object], observed: Mapping[str, object]) -> Iterator[str]:
    """Yield that a number is that of another step: fp32 products in another precision than it says."""
    says, has = requested.get("precision"), observed.get("matmul precision")
    if isinstance(has, str) and (says, has == "highest") in _CONTRADICTIONS:
        yield f"the step says {says}, and torch multiplied fp32 numbers at precision {has!r}: it sets that elsewhere"


def _slow(clock: GpuClock) -> Iterator[str]:
    for bit, name in _THROTTLED.items():
        if clock.reasons & bit:
            yield f"the GPU was slowed down by {name}: cool it, or give it the power it wants"
    if not clock.reasons & _IDLE and clock.mhz < _SLOW_CLOCK * clock.default_mhz:
        yield f"the GPU ran at {clock.mhz} MHz, under 75 % of its default {clock.default_mhz}: see `nvidia-smi -q`"


def doubts(measurement: Measurement) -> Iterator[str]:
    """Yield what makes the numbers doubtful: they are shown, but nothing may rest on them."""
    yield from _settings(measurement.requested, measurement.observed)
    if measurement.requested.get("compiled") is True and not measurement.compiles:
        yield "torch.compile was asked for, and it compiled nothing"
    conditions = measurement.conditions
    if conditions is None:
        return
    if (
        conditions.foreign_cores > _FOREIGN_DOUBT * conditions.cores
        and conditions.idle_cores < _NO_ROOM * conditions.cores
    ):
        yield "others kept more than a quarter of the cores busy, and none was idle: end them, or measure again"
    if conditions.swapped_pages > _SWAPPED_PAGES:
        yield "the machine swapped while it was measured: free memory"
    if conditions.watched_s and conditions.stalled_s.get("memory", 0.0) > _STALLED * conditions.watched_s:
        yield "processes waited for memory while it was measured: free memory"
    if conditions.gpu_strangers:
        yield "other processes were on the GPU: `nvidia-smi` names them"


def is_doubtful(measurement: Measurement) -> bool:
    """Tell whether nothing may rest on its numbers."""
    return any(True for _ in doubts(measurement))


def without_superseded(outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
    """Yield each replicate as it counts, in the given order, where a doubtful one was measured once more.

    Of measurements with one run, cell and replicate number those count that are not doubtful; where all are, the first.
    Failures all count.
    """
    everything = list(outcomes)
    by_number: dict[tuple[str, str, int], list[Measurement]] = defaultdict(list)
    for outcome in everything:
        if isinstance(outcome, Measurement):
            by_number[outcome.run, outcome.cell, outcome.replicate].append(outcome)
    superseded = {
        id(measurement)
        for alike in by_number.values()
        for measurement in (filter(is_doubtful, alike) if not all(map(is_doubtful, alike)) else alike[1:])
    }
    yield from (outcome for outcome in everything if id(outcome) not in superseded)


def _settings(requested: Mapping[str, object], observed: Mapping[str, object]) -> Iterator[str]:
    """Yield what was asked for and is not so."""
    wanted, alive = observed.get("workers resolved"), observed.get("workers alive")
    if wanted and wanted != alive:
        yield f"{wanted} workers were started and {alive or 0} were alive at the end"
    for pool, cap in _caps(requested).items():
        if pool in observed and observed[pool] != cap:
            yield f"{pool} is {observed[pool]} although {cap} was asked for"
    workers = observed.get("workers")
    reports = [worker for worker in workers if isinstance(worker, Mapping)] if isinstance(workers, list) else []
    if any(report.get("torch_threads") != 1 for report in reports):
        yield "worker processes had more than one thread for torch"
    if any(report.get(pool, 1) != 1 for report in reports for pool in ("arrow_cpu_threads", "arrow_io_threads")):
        yield "worker processes had more than one thread for Arrow"


def _caps(requested: Mapping[str, object]) -> Mapping[str, object]:
    """Give the caps of the pools that a process reports, by the names that they have there; none: nobody said."""
    threads, own = requested.get("threads"), requested.get("pools")
    if not isinstance(threads, int):
        return {}
    single = own if isinstance(own, Mapping) else {}
    omp = single.get("OMP", threads)
    # Torch's follows that of MKL, Arrow's and MKL's that of OpenMP.
    return {
        "torch_threads": single.get("MKL", omp),
        "arrow_cpu_threads": single.get("ARROW", omp),
        "arrow_io_threads": single.get("ARROW_IO", threads),
        "polars_threads": single.get("POLARS", threads),
    }


def remarks(measurement: Measurement) -> Iterator[str]:
    """Yield what is worth a word beside numbers that stand."""
    if CellKey.parse(measurement.cell).device == SIMULATED:
        yield "the device is simulated: cells run on it to see that they are right; their times say nothing"
    if measurement.page_cache != "warm":
        read = (measurement.disk_read_bytes or 0) / 1e6
        amount = f" ({read:,.0f} MB read from it while windows were timed)" if read >= 1 else ""
        yield f"page cache {measurement.page_cache}, not warm: the disk is part of the number{amount}"
    growths = {
        "host memory": measurement.host_epoch_growth_bytes,
        "/dev/shm": measurement.shm_epoch_growth_bytes,
        "memory of the device": measurement.device_epoch_growth_bytes,
        "page-locked memory": measurement.pinned_epoch_growth_bytes,
    }
    for place, growth in growths.items():
        if growth is not None and growth * measurement.epochs_seen > _LEAK_BYTES:
            yield f"{_LEAK}{place} grows with every epoch"
    left = measurement.observed.get("left running")
    if isinstance(left, list) and left:
        yield f"the loader left running, and it was ended: {', '.join(map(str, left))}"
    as_floats = measurement.observed.get("integers as floats")
    if isinstance(as_floats, str):
        yield f"integers of samples are floats in their batch: {as_floats}; right where numbers are meant, not classes"
    asked, resolved = measurement.observed.get("workers requested"), measurement.observed.get("workers resolved")
    if asked is not None and resolved is not None and asked != resolved:
        told = f"{asked} workers were asked for and {resolved} started: there are no more"
        deal = measurement.requested.get("loader.deal")
        hint = "; deal=batches shares out what is in a block" if deal == "blocks" else ""
        yield f"{told} {'batches' if deal == 'batches' else 'blocks'} to deal{hint}"
    yield from _sick(measurement)
    conditions = measurement.conditions
    if conditions is None:
        return
    busy = conditions.gpu_busy_share
    if busy is not None and busy < _IDLE_GPU and measurement.loss_first is not None:
        yield f"the GPU ran nothing for {1 - busy:.0%} of the time: `feedrate why` says what it waits for"
    if had_foreign_load(measurement) and not any(doubts(measurement)):
        yield "others kept more than a tenth of the cores busy while it was measured"


def _sick(measurement: Measurement) -> Iterator[str]:
    """Yield what trains, and is not well all the same."""
    health = measurement.health
    if health is None:
        return
    if health.without_gradient:
        names = ", ".join(health.without_gradient)
        yield f"no gradient reaches {names}: bypassed, detached or not used; `requires_grad_(False)` if that is meant"
    holes = {forecast.target: forecast.missing for forecast in sorted(health.forecasts, key=lambda part: part.missing)}
    for target, missing in holes.items():
        if missing > _HOLES:
            yield f"more than {_HOLES:.0%} of the target {target} is NaN or infinite (up to {missing:.0%} of a column)"


def remarks_on(measurements: Iterable[Measurement]) -> Iterator[str]:
    """Yield one line for each doubt and each remark about any of the measurements, the doubts first."""
    replicates = tuple(measurements)
    yield from dict.fromkeys(f"doubtful: {doubt}" for replicate in replicates for doubt in doubts(replicate))
    counts = Counter(remark for replicate in replicates for remark in remarks(replicate))
    # What leaks does so in each process; that one of many climbs is an allocator's habit.
    yield from (line for line, count in counts.items() if not line.startswith(_LEAK) or 2 * count >= len(replicates))


def had_foreign_load(measurement: Measurement) -> bool:
    """Tell whether others kept so much of the machine busy that a second measurement may well differ."""
    conditions = measurement.conditions
    return conditions is not None and conditions.foreign_cores > _FOREIGN_WORD * conditions.cores


def read_from_disk(read_bytes: int | None, served_bytes: float) -> bool:
    """Tell whether so many bytes from a device, beside so many served, contradict a warm page cache."""
    return read_bytes is not None and read_bytes > max(_DISK_BYTES, _DISK_SHARE * served_bytes)


def identical_results(measurements: Iterable[Measurement]) -> Iterator[tuple[str, ...]]:
    """Yield cells that agree in the last bit where two runs cannot: one of them is another's number.

    The last loss of two steps, for they compute differently; the seconds of the windows, for a clock never repeats.
    """
    all_of_them = list(measurements)
    for key, part in ((_losses, _step), (_seconds, _cell)):
        alike: dict[object, dict[str, str]] = defaultdict(dict)
        for measurement in all_of_them:
            alike[key(measurement)].setdefault(part(measurement), measurement.cell)
        yield from (tuple(cells.values()) for value, cells in alike.items() if value is not None and len(cells) > 1)


def _losses(measurement: Measurement) -> object:
    return None if measurement.loss_last is None else (measurement.loss_first, measurement.loss_last)


def _seconds(measurement: Measurement) -> object:
    return tuple(window.s for window in measurement.full_windows)


def _cell(measurement: Measurement) -> str:
    return measurement.cell


def _step(measurement: Measurement) -> str:
    key = CellKey.parse(measurement.cell)
    return f"{key.workload}/{key.size}/{key.step}/{key.device}"

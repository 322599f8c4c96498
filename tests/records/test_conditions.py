"""What is seen of the machine while windows are timed, and what is said about it."""

from __future__ import annotations

import ctypes
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from feedrate.records.conditions import Conditions, GpuClock, MemorySample, growth_bytes
from feedrate.records.frame import frame
from feedrate.records.measurement import Measurement
from feedrate.records.validity import doubts, identical_results, read_from_disk, refusals, remarks, remarks_on
from feedrate.report.table import show
from feedrate.system.load_monitor import LoadMonitor
from feedrate.system.nvml import busy_share, clock, tenants
from tests.support.outcomes import failure, measurement

QUIET = Conditions(watched_s=2.0, cores=8, own_core_s=3.0, all_core_s=3.1, stolen_core_s=0.0, disk_read_bytes=0)
MIB = 1 << 20


def written(root: Path, ticks: dict[str, int], swapped: int = 0, stalled_us: int = 0, read: int = 0) -> None:
    """A /proc in which this process and the machine have used so many ticks, of 10 ms each."""
    own = root / "proc" / str(os.getpid())
    own.mkdir(parents=True, exist_ok=True)
    fields = ["0"] * 50
    fields[11], fields[12] = str(ticks["own"]), "0"
    (own / "stat").write_text(f"{os.getpid()} (a (strange) name) {' '.join(fields)}\n")
    (own / "io").write_text(f"rchar: 1\nread_bytes: {read}\nwrite_bytes: 7\n")
    machine = (ticks["all"], 0, 0, 500, 100, 0, 0, ticks["stolen"], 0, 0)
    (root / "proc/stat").write_text(f"cpu  {' '.join(map(str, machine))}\ncpu0 1 2 3\n")
    (root / "proc/vmstat").write_text(f"pgpgin 12\npswpin {swapped}\npswpout 0\n")
    (root / "proc/pressure").mkdir(exist_ok=True)
    (root / "proc/pressure/memory").write_text(f"some avg10=0.00 total={stalled_us}\nfull avg10=0.00 total=5\n")


def test_what_happens_inside_the_watched_stretches_is_added_up(tmp_path: Path) -> None:
    watch = LoadMonitor(tmp_path)
    for used in (100, 1000):
        written(tmp_path, {"own": used, "all": used, "stolen": 0})
        with watch.watched():
            written(
                tmp_path, {"own": used + 10, "all": used + 30, "stolen": 4}, swapped=3, stalled_us=500_000, read=MIB
            )

    found = watch.conditions()

    assert found.own_core_s == pytest.approx(0.2)
    assert found.all_core_s == pytest.approx(0.6)
    assert found.stolen_core_s == pytest.approx(0.08)
    assert found.swapped_pages == 6
    assert found.stalled_s == {"memory": pytest.approx(1.0)}
    assert found.disk_read_bytes == 2 * MIB


def test_a_kernel_that_says_nothing_leaves_nothing_known(tmp_path: Path) -> None:
    written(tmp_path, {"own": 0, "all": 0, "stolen": 0})
    (tmp_path / "proc" / str(os.getpid()) / "io").unlink()
    (tmp_path / "proc/pressure/memory").unlink()
    watch = LoadMonitor(tmp_path)
    with watch.watched():
        pass

    assert watch.conditions().disk_read_bytes is None
    assert watch.conditions().stalled_s == {}


def test_this_machine_tells_own_work_from_that_of_others() -> None:
    watch = LoadMonitor()
    with watch.watched():
        sum(range(3_000_000))

    assert watch.conditions().own_core_s > 0
    assert watch.conditions().watched_s > 0


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"all_core_s": 17.0}, "others kept more than a quarter of the cores busy, and none was idle"),
        ({"stolen_core_s": 13.0}, "others kept more than a quarter of the cores busy, and none was idle"),
        ({"swapped_pages": 300}, "swapped"),
        ({"stalled_s": {"memory": 0.2}}, "waited for memory"),
        ({"gpu_strangers": 1}, "other processes were on the GPU"),
    ],
)
def test_a_doubtful_condition_is_said(changes: dict[str, object], word: str) -> None:
    found = list(doubts(measurement(conditions=replace(QUIET, **changes))))  # type: ignore[arg-type]

    assert len(found) == 1
    assert word in found[0]


def test_a_quiet_machine_a_busy_one_with_room_and_an_old_record_raise_no_doubt() -> None:
    roomy = replace(QUIET, all_core_s=10.0)
    for conditions in (QUIET, roomy, None):
        assert list(doubts(measurement(conditions=conditions))) == []
    assert list(remarks(measurement(conditions=QUIET))) == []
    assert list(remarks(measurement(conditions=roomy))) == [
        "others kept more than a tenth of the cores busy while it was measured"
    ]


def test_each_pool_is_held_against_its_own_cap() -> None:
    asked = {"threads": 2, "pools": {"OMP": 1, "POLARS": 4}}
    seen = {"torch_threads": 1, "arrow_cpu_threads": 1, "arrow_io_threads": 2, "polars_threads": 4}
    assert list(doubts(measurement(requested=asked, observed=seen))) == []

    own = {"threads": 2, "pools": {"OMP": 1, "ARROW": 3, "ARROW_IO": 5}}
    told = list(doubts(measurement(requested=own, observed=seen)))
    assert told == [
        "arrow_cpu_threads is 1 although 3 was asked for",
        "arrow_io_threads is 2 although 5 was asked for",
        "polars_threads is 4 although 2 was asked for",
    ]


@pytest.mark.parametrize(
    ("observed", "word"),
    [
        ({"workers resolved": 4, "workers alive": 3}, "4 workers were started and 3 were alive"),
        ({"torch_threads": 8}, "torch_threads is 8 although 2 was asked for"),
        ({"polars_threads": 8}, "polars_threads is 8 although 2 was asked for"),
        ({"workers": [{"torch_threads": 1}, {"torch_threads": 2}]}, "more than one thread for torch"),
        ({"workers": [{"torch_threads": 1, "arrow_io_threads": 8}]}, "more than one thread for Arrow"),
    ],
)
def test_settings_that_are_not_what_was_asked_for_are_doubtful(observed: dict[str, object], word: str) -> None:
    found = list(doubts(measurement(requested={"threads": 2}, observed=observed)))

    assert len(found) == 1
    assert word in found[0]


def test_workers_that_find_no_block_are_told_of_what_would_employ_them() -> None:
    observed = {"workers requested": 8, "workers resolved": 3, "workers alive": 3}
    told = "8 workers were asked for and 3 started: there are no more"

    def said(**requested: object) -> list[str]:
        return list(remarks(measurement(observed=observed, requested=requested)))

    assert said(**{"loader.deal": "blocks"}) == [f"{told} blocks to deal; deal=batches shares out what is in a block"]
    # What deals batches already, or has no such knob, is not told to.
    assert said(**{"loader.deal": "batches"}) == [f"{told} batches to deal"]
    assert said() == [f"{told} blocks to deal"]
    assert list(remarks(measurement(observed={**observed, "workers requested": 3}))) == []


@pytest.mark.parametrize(
    ("says", "has", "refused"),
    [
        ("fp32", "highest", False),
        ("fp32", "high", True),
        ("tf32", "high", False),
        ("tf32", "highest", True),
        ("bf16", "high", False),
        ("fp32", None, False),
        (None, "high", False),
    ],
)
def test_a_number_of_another_precision_than_the_step_says_is_refused(
    says: str | None, has: str | None, refused: bool
) -> None:
    requested = {} if says is None else {"precision": says}
    observed = {} if has is None else {"matmul precision": has}

    found = list(refusals(measurement(requested=requested, observed=observed)))

    assert bool(found) is refused
    assert not refused or f"the step says {says}, and torch multiplied fp32 numbers at precision '{has}'" in found[0]


@pytest.mark.parametrize(
    ("compiled", "compiles", "is_doubtful"), [(True, 0, True), (True, 2, False), (False, 0, False)]
)
def test_a_compiler_that_did_nothing_is_doubtful(compiled: bool, compiles: int, is_doubtful: bool) -> None:
    found = list(doubts(measurement(requested={"compiled": compiled}, compiles=compiles)))

    assert bool(found) is is_doubtful
    assert not found or "it compiled nothing" in found[0]


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (GpuClock(1000, 1980, 0), "1000 MHz"),
        (GpuClock(1980, 1980, 0x40), "heat"),
        (GpuClock(1980, 1980, 0x84), "power brake"),
    ],
)
def test_a_gpu_that_is_held_back_gives_no_number(state: GpuClock, word: str) -> None:
    assert word in " ".join(refusals(measurement(conditions=replace(QUIET, clocks=(state,)))))


@pytest.mark.parametrize("state", [GpuClock(1500, 1980, 0x4), GpuClock(210, 1980, 0x1), GpuClock(600, 0, 0)])
def test_a_power_cap_idleness_and_an_unknown_default_refuse_nothing(state: GpuClock) -> None:
    assert list(refusals(measurement(conditions=replace(QUIET, clocks=(state,))))) == []


@pytest.mark.parametrize(("read", "served", "cold"), [(0, 1e9, False), (2 * MIB, 1e9, False), (2 * MIB, 1e7, True)])
def test_a_warm_page_cache_reads_next_to_nothing(read: int, served: float, cold: bool) -> None:
    assert read_from_disk(read, served) is cold


def test_reading_that_nobody_can_see_contradicts_nothing() -> None:
    assert not read_from_disk(None, 1.0)


def looks(host: list[int]) -> tuple[MemorySample, ...]:
    return tuple(MemorySample(float(epoch), value, 0) for epoch, value in enumerate(host))


def test_growth_is_what_an_epoch_adds_and_one_jump_is_none() -> None:
    assert growth_bytes(looks([0, 2, 4, 6, 8, 10, 12, 14]), lambda look: look.host_bytes) == 2
    assert growth_bytes(looks([0, 10, 10, 90, 90, 90, 90, 90, 90]), lambda look: look.host_bytes) == 0
    # The first epochs fill pools.
    assert growth_bytes(looks([0, 90, 91, 91, 91, 91, 91, 91]), lambda look: look.host_bytes) == 0
    assert growth_bytes(looks([0, 2, 4, 6, 8, 10, 12]), lambda look: look.host_bytes) is None
    assert growth_bytes(looks([0] * 9), lambda look: look.device_bytes) is None


def test_growth_is_steady_and_not_what_a_step_that_begins_takes() -> None:
    alone = [MemorySample(2.0 + 2 * number, 100, 0) for number in range(4)]
    begun = [MemorySample(8.1 + number / 10, 140 + 7 * number, 0, training=True) for number in range(4)]
    assert growth_bytes([*alone, *begun], lambda look: look.host_bytes) == 0
    # Seen with worker processes: up and down by turns, and the median slope of such values is as often above zero.
    waving = [
        MemorySample(2.7 + 1.4 * number, value, 0) for number, value in enumerate([1160, 1154, 1170, 1168, 1163, 1170])
    ]
    assert growth_bytes(waving, lambda look: look.host_bytes) == 0


def test_a_leak_is_said_and_allocators_habits_are_not() -> None:
    leaking = measurement(looks=looks([epoch * MIB for epoch in range(8)]))
    steady = measurement(looks=looks([epoch * 1000 for epoch in range(8)]))

    assert list(remarks(leaking)) == ["a leak: host memory grows with every epoch"]
    assert list(remarks(steady)) == []
    # One of many is an allocator's habit, too; what leaks does so in each.
    assert list(remarks_on([leaking, steady])) == ["a leak: host memory grows with every epoch"]
    assert list(remarks_on([leaking, steady, steady])) == []


def test_a_leak_of_page_locked_memory_is_one_of_its_own() -> None:
    samples = tuple(replace(sample, pinned_bytes=round(sample.epochs) * MIB) for sample in looks([0] * 8))

    assert list(remarks(measurement(looks=samples))) == ["a leak: page-locked memory grows with every epoch"]


def test_two_cells_cannot_agree_to_the_last_bit() -> None:
    fp32 = measurement("w/tiny/inline/fp32/cpu", full_ms=10.0)
    bf16 = measurement("w/tiny/inline/bf16/cpu", full_ms=11.0)
    other = measurement("w/tiny/threads/fp32/cpu", full_ms=12.0)
    copied = measurement("w/tiny/workers/fp32/cpu", full_ms=10.0)

    assert list(identical_results([fp32, bf16])) == [(fp32.cell, bf16.cell)]
    assert list(identical_results([fp32, other])) == []
    assert list(identical_results([fp32, copied])) == [(fp32.cell, copied.cell)]
    assert list(identical_results([fp32, replace(fp32, replicate=1)])) == []


def test_the_table_marks_what_is_doubtful_and_never_calls_it_the_fastest(tmp_path: Path) -> None:
    fast = measurement("w/tiny/inline/fp32/cpu", full_ms=10.0, conditions=replace(QUIET, swapped_pages=9_999))
    slow = measurement("w/tiny/threads/fp32/cpu", full_ms=12.0)
    with (tmp_path / "out").open("w") as file:
        show(Console(file=file, width=300), [fast, slow, measurement("w/tiny/workers/fp32/cpu", full_ms=13.0)])
    lines = (tmp_path / "out").read_text().splitlines()

    marks = {line.split()[1]: line.split()[2] for line in lines if line.startswith("fp32")}
    assert (marks["inline"], marks["threads"]) == ("?", "*")
    assert any("doubtful: the machine swapped" in line for line in lines)


def test_a_record_keeps_its_conditions_and_an_older_one_is_read_without() -> None:
    full = replace(QUIET, clocks=(GpuClock(1, 2, 3),), stalled_s={"cpu": 1.5})
    kept = measurement(conditions=full, looks=looks([1, 2]))

    again = Measurement.from_json(json.loads(json.dumps(kept.as_json())))
    assert again == kept

    old = {name: value for name, value in kept.as_json().items() if name not in ("conditions", "looks")}
    assert Measurement.from_json(old).conditions is None
    assert Measurement.from_json(old).looks == ()


def test_the_table_for_analysis_holds_what_was_seen() -> None:
    kept = measurement(conditions=QUIET, looks=looks([epoch * MIB for epoch in range(8)]))
    found = frame([kept, measurement(), failure()])

    assert found["host_epoch_growth_bytes"].iloc[0] == MIB
    assert found["disk_read_bytes"].iloc[0] == 0
    assert found["foreign_cores"].iloc[0] == pytest.approx(0.05)
    assert found["foreign_cores"].iloc[1:].isna().all()


class Library:
    """The part of NVML that a clock is asked of, with one GPU."""

    def __init__(self, *, lacks: tuple[str, ...] = ()) -> None:
        self.lacks, self.open = lacks, 0

    def __call__(self, function: str, *arguments: object) -> int:
        if function in self.lacks:
            raise AttributeError(function)
        return int(getattr(self, function)(*arguments))

    def nvmlInit_v2(self) -> int:  # noqa: N802
        self.open += 1
        return 0

    def nvmlShutdown(self) -> int:  # noqa: N802
        self.open -= 1
        return 0

    def nvmlDeviceGetHandleByUUID(self, uuid: bytes, handle: object) -> int:  # noqa: N802
        del handle
        return 0 if uuid == b"GPU-1" else 6

    def nvmlDeviceGetClockInfo(self, handle: object, which: int, into: object) -> int:  # noqa: N802
        return _put(into, ctypes.c_uint, 1410) if which == 1 else 2

    def nvmlDeviceGetDefaultApplicationsClock(self, handle: object, which: int, into: object) -> int:  # noqa: N802
        return _put(into, ctypes.c_uint, 1980)

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle: object, into: object) -> int:  # noqa: N802
        return _put(into, ctypes.c_ulonglong, 0x24)

    def nvmlDeviceGetPowerUsage(self, handle: object, into: object) -> int:  # noqa: N802
        return _put(into, ctypes.c_uint, 312_500)

    def nvmlDeviceGetTemperature(self, handle: object, sensor: int, into: object) -> int:  # noqa: N802
        return _put(into, ctypes.c_uint, 61) if sensor == 0 else 2

    def nvmlDeviceGetUtilizationRates(self, handle: object, into: object) -> int:  # noqa: N802
        return _put(into, ctypes.c_uint, 37)

    def nvmlDeviceGetComputeRunningProcesses_v3(self, handle: object, count: object, into: None) -> int:  # noqa: N802
        _put(count, ctypes.c_uint, 2)
        return 7


def _put(place: object, kind: type[ctypes.c_uint | ctypes.c_ulonglong], value: int) -> int:
    ctypes.cast(place, ctypes.POINTER(kind))[0] = value  # type: ignore[arg-type]
    return 0


def test_the_clock_is_asked_of_the_gpu_of_that_uuid_and_the_library_is_left_as_it_was() -> None:
    library = Library()

    assert clock("GPU-1", library) == GpuClock(1410, 1980, 0x24, 312.5, 61)
    assert tenants("GPU-1", library) == 2
    assert busy_share("GPU-1", library) == 0.37
    assert (
        busy_share("GPU-2", library) is busy_share("GPU-1", Library(lacks=("nvmlDeviceGetUtilizationRates",))) is None
    )
    assert clock("GPU-2", library) is None
    assert tenants("GPU-2", library) == 0
    assert library.open == 0


def test_what_a_driver_does_not_know_is_left_out() -> None:
    lacks = (
        *("nvmlDeviceGetDefaultApplicationsClock", "nvmlDeviceGetCurrentClocksThrottleReasons"),
        *("nvmlDeviceGetPowerUsage", "nvmlDeviceGetTemperature"),
    )

    assert clock("GPU-1", Library(lacks=lacks)) == GpuClock(1410, 0, 0)


def test_without_a_driver_nobody_is_asked() -> None:
    assert clock("GPU-1", lambda function, *arguments: 1) is None


def test_a_gpu_that_runs_nothing_for_most_of_a_training_is_worth_a_word() -> None:
    idle, busy = (replace(QUIET, gpu_busy_share=share) for share in (0.3, 0.6))

    assert list(remarks(measurement(conditions=idle))) == [
        "the GPU ran nothing for 70% of the time: `feedrate why` says what it waits for"
    ]
    assert list(remarks(measurement(conditions=busy))) == []
    # Where nothing trains it has nothing to do.
    assert list(remarks(measurement(conditions=idle, loss_first=None, loss_last=None))) == []

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import pytest

from feedrate.system.machine import CgroupLimits, Gpu, Machine, limits, machine, machine_name
from feedrate.system.nvml import listed, parsed, used_bytes

H100 = Gpu("NVIDIA H100 80GB HBM3", 80 << 30, "580.1")


class Driver:
    """A libnvidia-ml with some GPUs, one of which has fallen off the bus."""

    def __init__(self, gpus: int = 2, *, works: bool = True) -> None:
        self.gpus, self.works, self.started = gpus, works, 0

    def __call__(self, function: str, *arguments: object) -> int:
        answer: int = getattr(self, function)(*arguments)
        return answer

    def nvmlInit_v2(self) -> int:  # noqa: N802
        self.started += self.works
        return 0 if self.works else 9

    def nvmlShutdown(self) -> int:  # noqa: N802
        self.started -= 1
        return 0

    def nvmlSystemGetDriverVersion(self, text: ctypes.Array[ctypes.c_char], size: int) -> int:  # noqa: N802
        text.value = b"580.1"[:size]
        return 0 if self.started else 1

    def nvmlDeviceGetCount_v2(self, count: object) -> int:  # noqa: N802
        target(count).value = self.gpus
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: int, handle: object) -> int:  # noqa: N802
        target(handle).value = 1000 + index
        return 15 if index == 1 else 0

    def nvmlDeviceGetName(self, handle: object, text: ctypes.Array[ctypes.c_char], size: int) -> int:  # noqa: N802
        del handle
        text.value = b"NVIDIA L4"[:size]
        return 0

    def nvmlDeviceGetMemoryInfo(self, handle: object, memory: object) -> int:  # noqa: N802
        del handle
        target(memory).total, target(memory).used = 24 << 30, 3 << 30
        return 0


def target(reference: Any) -> Any:
    """What `byref` refers to."""
    return reference._obj


def test_the_driver_names_its_gpus_and_one_that_is_lost_is_left_out() -> None:
    driver = Driver()

    assert listed(driver) == (Gpu("NVIDIA L4", 24 << 30, "580.1"),)
    assert used_bytes(driver) == (3 << 30,)
    assert driver.started == 0


def test_a_library_without_a_driver_has_no_gpu() -> None:
    assert listed(Driver(works=False)) == ()
    assert used_bytes(Driver(works=False)) == ()


def test_the_clients_lines_are_gpus() -> None:
    assert parsed("NVIDIA L4, 23034, 580.1\nfailed to talk to the driver\n") == (
        Gpu("NVIDIA L4", 23034 << 20, "580.1"),
    )


@pytest.mark.parametrize(
    ("gpus", "name"),
    [((), "box-cpu"), ((H100,), "box-nvidia-h100-80gb-hbm3"), ((H100, H100), "box-2x-nvidia-h100-80gb-hbm3")],
)
def test_the_name_of_a_machine_holds_its_gpus(gpus: tuple[Gpu, ...], name: str) -> None:
    assert machine_name("Box", gpus) == name


def wrote(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def test_the_tightest_limit_on_the_way_up_holds(tmp_path: Path) -> None:
    wrote(tmp_path, "proc/self/cgroup", "0::/outer/inner\n")
    wrote(tmp_path, "sys/fs/cgroup/cpu.max", "max 100000\n")
    wrote(tmp_path, "sys/fs/cgroup/outer/cpu.max", "150000 100000\n")
    wrote(tmp_path, "sys/fs/cgroup/outer/memory.max", f"{8 << 30}\n")
    wrote(tmp_path, "sys/fs/cgroup/outer/inner/memory.max", "max\n")

    assert limits(tmp_path) == CgroupLimits(1.5, 8 << 30)


def test_limits_of_version_1_are_read_too(tmp_path: Path) -> None:
    wrote(tmp_path, "proc/self/cgroup", "4:memory:/a\n1:cpu:/a\n")
    wrote(tmp_path, "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "400000\n")
    wrote(tmp_path, "sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n")
    wrote(tmp_path, "sys/fs/cgroup/memory/a/memory.limit_in_bytes", "9223372036854771712\n")

    assert limits(tmp_path) == CgroupLimits(4.0, None)


def test_no_limit_that_can_be_seen_is_none(tmp_path: Path) -> None:
    wrote(tmp_path, "proc/self/cgroup", "1:cpu:/\n")
    wrote(tmp_path, "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n")
    wrote(tmp_path, "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n")

    assert limits(tmp_path) == CgroupLimits(None, None)


def test_usable_is_what_both_the_machine_and_its_limits_allow() -> None:
    box = Machine("box", "cpu", 8, (0, 1, 2, 3), 64 << 30, CgroupLimits(2.5, 16 << 30), ())

    assert (box.usable_cores, box.usable_bytes) == (2.5, 16 << 30)


def test_this_machine_has_cores_memory_and_a_name() -> None:
    here = machine()

    assert here.cores >= len(here.affinity) >= 1
    assert here.memory_bytes > 0
    assert here.cpu
    assert here.name == here.name.lower()

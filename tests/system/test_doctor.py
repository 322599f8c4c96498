from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from feedrate.system.doctor import SystemView, findings
from feedrate.system.machine import CgroupLimits, Machine

QUIET = {
    "proc/loadavg": "0.10 0.20 0.30 1/100 4242\n",
    "proc/meminfo": "MemTotal: 67108864 kB\nMemAvailable: 60000000 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n",
    "proc/cpuinfo": "model name : A processor\nflags\t: fpu sse2\n",
    "proc/self/mounts": "/dev/sda1 / ext4 rw 0 0\nserver:/x /net nfs4 rw 0 0\ntmpfs /ram tmpfs rw 0 0\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance\n",
}


def scene(root: Path, data: str = "/data", **files: str) -> SystemView:
    """A quiet machine with room to spare, but for these files."""
    for path, text in (QUIET | files).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    (root / "dev/shm").mkdir(parents=True, exist_ok=True)
    return SystemView(
        Machine("box", "cpu", 16, tuple(range(16)), 64 << 30, CgroupLimits(None, None), ()), {}, Path(data), (), root
    )


def told(at: SystemView) -> str:
    # Limits of this very process and its disk are not part of the scene.
    return "\n".join(one.what for one in findings(at) if "open files" not in one.what and "/dev/shm" not in one.what)


def test_a_quiet_machine_has_no_findings(tmp_path: Path) -> None:
    assert told(scene(tmp_path)) == ""


@pytest.mark.parametrize(
    ("path", "text", "what"),
    [
        ("proc/loadavg", "9.00 1 1 1/1 1", "load 9.00 over the last minute on 16 cores"),
        (
            "proc/meminfo",
            "MemAvailable: 60000000 kB\nSwapTotal: 900000 kB\nSwapFree: 100000 kB",
            "819 MB are swapped out",
        ),
        ("proc/meminfo", "MemAvailable: 100000 kB", "only 102 MB of 68.7 GB memory are available"),
        ("proc/cpuinfo", "flags : fpu hypervisor sse2", "virtual machine"),
        ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave", "governor is 'powersave'"),
        ("sys/devices/system/cpu/intel_pstate/no_turbo", "0", "turbo is on"),
        ("sys/devices/system/cpu/cpufreq/boost", "1", "turbo is on"),
    ],
)
def test_what_the_system_says_of_itself_is_told(tmp_path: Path, path: str, text: str, what: str) -> None:
    assert what in told(scene(tmp_path, **{path: text}))


@pytest.mark.parametrize(("data", "what"), [("/net/data", "network"), ("/ram/data", "in memory (tmpfs)")])
def test_where_the_data_lies_is_told(tmp_path: Path, data: str, what: str) -> None:
    assert what in told(scene(tmp_path, data))


def test_few_cores_and_limits_are_told(tmp_path: Path) -> None:
    quiet = scene(tmp_path)
    tight = replace(quiet.machine, affinity=(0, 1, 2, 3), limits=CgroupLimits(1.5, 8 << 30))

    text = told(replace(quiet, machine=tight))

    assert "may run on 4 of 16 processors" in text
    assert "1.5 cores: loaders with workers" in text
    assert "allows 1.5 cores' time on 4 processors" in text
    assert "allows 8.59 GB of memory" in text


def test_a_gpu_in_use_is_told(tmp_path: Path) -> None:
    text = told(replace(scene(tmp_path), used_gpu_bytes=(400 << 20, 20 << 30)))

    assert "GPU 1: 21.5 GB of its memory are in use" in text
    assert "GPU 0" not in text


def test_variables_are_told_apart_by_what_they_do(tmp_path: Path) -> None:
    environ = {"OMP_NUM_THREADS": "1", "ARROW_NUM_THREADS": "4", "MALLOC_ARENA_MAX": "2"}

    lines = told(replace(scene(tmp_path), environ=environ)).splitlines()

    assert lines == [
        "ARROW_NUM_THREADS set, which nobody reads",
        "set: MALLOC_ARENA_MAX=2",
        "OMP_NUM_THREADS set: `feedrate run` sets thread caps itself",
    ]


def test_every_finding_has_advice(tmp_path: Path) -> None:
    noisy = scene(tmp_path, "/ram/data", **{"proc/loadavg": "9 9 9 1/1 1"})

    assert all(one.advice for one in findings(noisy))

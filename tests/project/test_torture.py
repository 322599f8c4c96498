"""A short campaign of kills, and liars that the campaign must catch: `make torture` is the long one."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from feedrate.data.dataset import DataSet
from tests.torture.attacks import COMMANDS, Attack
from tests.torture.campaign import carried_out
from tests.torture.evidence import lost, torn, unwhole
from tests.torture.faults import COMPILER, Fault, Shim
from tests.torture.lanes import Lane

KILLS = 12
needs_gcc = pytest.mark.skipif(COMPILER is None, reason="no gcc here to build the layer that makes system calls fail")
LINE = b'{"kind": "measurement", "cell": "a/b/c/d/cpu"}\n'
TOLD = "a/b/c/d/cpu: 1,234 samples/s (3 to go)\n"


@needs_gcc
@pytest.mark.timeout(400)
def test_runs_that_are_killed_lose_and_leave_nothing_and_the_next_one_works(tmp_path: Path) -> None:
    attacks = (Attack.drawn(1, number) for number in range(1, 100))
    results = list(carried_out(attacks, KILLS, 2, tmp_path))
    assert [result.as_json() for result in results if not result.good] == []
    assert sum(result.hit and result.attack.kills for result in results) >= KILLS


def test_an_attack_is_the_same_whenever_it_is_drawn() -> None:
    attacks = [Attack.drawn(5, number, bench_every=33) for number in range(1, 200)]
    assert attacks == [Attack.drawn(5, number, bench_every=33) for number in range(1, 200)]
    assert attacks != [Attack.drawn(6, number, bench_every=33) for number in range(1, 200)]
    assert {attack.role for attack in attacks} >= {"parent", "fork server", "guard", "child", "worker", "tracker"}
    assert {attack.command for attack in attacks} == COMMANDS.keys() - {"after"}


def test_a_reported_measurement_that_was_not_kept_is_told() -> None:
    assert list(lost({}, {"raw.jsonl": LINE}, TOLD)) == []
    assert list(lost({"raw.jsonl": LINE}, {"raw.jsonl": LINE}, TOLD))
    assert list(lost({}, {"raw.jsonl": LINE[:-9]}, TOLD))


def test_raw_results_that_were_written_over_or_torn_in_the_middle_are_told() -> None:
    assert list(torn({"raw.jsonl": LINE}, {"raw.jsonl": LINE + LINE[:9]})) == []
    assert list(torn({"raw.jsonl": LINE[:9]}, {"raw.jsonl": LINE[:9] + b"\n" + LINE})) == []
    assert list(torn({"raw.jsonl": LINE}, {"raw.jsonl": LINE[:9] + b"\n" + LINE}))
    assert list(torn({"raw.jsonl": LINE}, {"raw.jsonl": LINE + LINE[:9] + b"\n" + LINE}))
    assert list(torn({"raw.jsonl": LINE}, {}))


def test_half_a_data_set_is_told(sums_data: DataSet, tmp_path: Path) -> None:
    half = tmp_path / "sums-tiny"
    half.mkdir()
    assert list(unwhole(tmp_path))
    for path in sums_data.folder.iterdir():
        (half / path.name).write_bytes(path.read_bytes())
    assert list(unwhole(tmp_path)) == []
    shard = half / sums_data.shards[0].file
    shard.write_bytes(shard.read_bytes()[:-1] + b"?")
    assert list(unwhole(tmp_path))


@needs_gcc
def test_whatever_a_run_leaves_is_told_and_removed(tmp_path: Path) -> None:
    with Lane.opened(tmp_path / "0", Shim.built(tmp_path)) as lane:
        lane.data.mkdir()
        shared = Path("/dev/shm", f"torture-{os.getpid()}")
        script = f"import time, _posixshmem as shm; shm.shm_open('/{shared.name}', 66, 384); time.sleep(60)"
        sleeper = subprocess.Popen([sys.executable, "-c", script], env=lane.variables(None))
        while not shared.exists():
            assert sleeper.poll() is None
        places = lane.temporary / "feedrate-x", shared, lane.data / "sums-tiny.partial-7-x", lane.work / ".out.json.x"
        for place in places:
            place.touch()
        told = list(replace(lane, patience_s=0.5).cleared())
        assert sleeper.wait() == -9
        assert f"process {sleeper.pid}: " in told[0]
        assert told[1:] == list(map(str, places))
        assert not any(place.exists() for place in places)


@needs_gcc
@pytest.mark.parametrize(("act", "status", "content"), [
    ("before", -9, ""), ("half", -9, "ha"), ("after", -9, "half"), ("EIO", 1, ""), ("ENOSPC", 1, ""), ("full", 1, "ha"),
])  # fmt: skip
def test_a_chosen_write_kills_or_fails(tmp_path: Path, act: str, status: int, content: str) -> None:
    shim, file = Shim.built(tmp_path), tmp_path / "raw.jsonl"
    script = f"import os; f = os.open({str(file)!r}, os.O_WRONLY | os.O_CREAT)\nassert os.write(f, b'half') == 4"
    variables = shim.variables(Fault("write", "*.jsonl", 1, act))
    done = subprocess.run([sys.executable, "-c", script], env=variables, capture_output=True, check=False, timeout=60)
    assert (done.returncode, file.read_text()) == (status, content)
    assert shim.happened.endswith(f"write {file}")

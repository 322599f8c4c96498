"""Every loader on files whose bytes were changed: all batches, or an error that names the file.

Plain columns have no checksum: after a flipped bit they hold other numbers, which `feedrate data verify` tells and the
meter's own check before it times anything. Here it is lengths, shapes and errors that count.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from feedrate.data.dataset import DataSet
from feedrate.plugin.registry import Registry
from feedrate.records.cell_key import split_spec
from tests.support import ROOT
from tests.support.damaged_reads import KINDS
from tests.support.fuzzing import SEED

READS = "tests.support.damaged_reads"
CASES = int(os.environ.get("FUZZ_FILES", "400"))
"""Beside those of the Rust loader's own tests. `make torture` asks for 20,000."""
LOADERS = {"inline": 0.34, "threads": 0.2, "gpu_chunk": 0.2, "rust_prefetch": 0.25}
PROCESSES = {"workers[count=1]": 0.001, "ring_workers[count=1]": 0.001}
"""The share of each loader; worker processes take seconds to start, and read with the same code."""
_PATIENCE_S = 60


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, registry: Registry) -> Path:
    """The data sets, whole."""
    folder = tmp_path_factory.mktemp("data")
    for kind in KINDS:
        recipe = registry.workload(kind).at("tiny")
        DataSet.write(folder / recipe.folder_name, recipe)
    return folder


@pytest.mark.timeout(3_000)
@pytest.mark.parametrize("loader", [*LOADERS, *PROCESSES])
def test_a_damaged_file_is_named_or_harmless(loader: str, data: Path, registry: Registry, tmp_path: Path) -> None:
    if split_spec(loader)[0] not in registry.loaders:
        pytest.skip(f"{loader} is not built here")
    count = round(CASES * {**LOADERS, **PROCESSES}[loader])
    if count == 0:
        pytest.skip(f"{loader} has a turn where there are more than {CASES} cases; the contract kit damages files too")
    reads = list(reading([str(data), loader, SEED or "0"], count, tmp_path / "log"))
    assert len(reads) == count
    assert [line for line in reads if line.split(maxsplit=3)[3] not in ("whole", "named")] == []


def reading(words: list[str], count: int, log: Path) -> Iterator[str]:
    """A line for each case. Where a process crashes or hangs, that is what its case came to, and another goes on."""
    first = 0
    while first < count:
        ended = end_of([sys.executable, "-m", READS, *words, str(first), str(count)], log)
        lines = log.read_text().splitlines()
        assert lines, f"{ended}: {log.with_suffix('.err').read_text()[-1000:]}"
        if ended:
            lines[-1] = " ".join((*lines[-1].split()[:3], ended, log.with_suffix(".err").read_text()[-300:]))
        yield from lines
        first = int(lines[-1].split()[0]) + 1


def end_of(command: list[str], log: Path) -> str:
    """Run it to its end, or until it has written nothing for long; empty: it ended well."""
    with log.open("w") as out, log.with_suffix(".err").open("w") as err:
        process, size = subprocess.Popen(command, stdout=out, stderr=err, cwd=ROOT), -1
        while True:
            try:
                status = process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                if log.stat().st_size == size:
                    process.kill()
                    process.wait()
                    return "hangs"
                size = log.stat().st_size
            else:
                return f"ends with status {status}" if status else ""

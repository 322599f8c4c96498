"""Damaged files: an error that names the file, or the right rows; never a crash, a hang or a wrong shape.

Plain columns have no checksum: after a flipped bit they hold other numbers, and nothing can tell.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import trial
from numpy.typing import NDArray

from feedrate import DataError, Plan, Registry, UnavailableError
from feedrate_rust_prefetch import RustPrefetch

Bytes = NDArray[np.uint8]
CASES = int(os.environ.get("FUZZ_CASES", "150"))


KINDS = (
    "boardmoves[compression=none]",
    "boardmoves[compression=lz4,lists=variable]",
    "boardmoves[compression=zstd]",
    "daywindows",
    "fxseq",
    "fxseq[layout=chunked]",
    "fxseq[layout=gzip]",
)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["truncated", "flipped", "overwritten"])
def test_a_damaged_file_is_named_or_harmless(
    how: str, kind: str, registry: Registry, data_root: Path, tmp_path: Path
) -> None:
    plan = trial(registry.workload(kind), data_root, epochs=1).plan
    copy = tmp_path / "copy"
    shutil.copytree(plan.data.folder, copy)
    plan = replace(plan, data=replace(plan.data, folder=copy))
    file, random = plan.data.path(0), np.random.default_rng([KINDS.index(kind), len(how)])
    whole = np.fromfile(file, dtype=np.uint8)
    for case in range(CASES):
        harmed(how, whole, random, case).tofile(file)
        outcome(plan, file)


def harmed(how: str, whole: Bytes, random: np.random.Generator, case: int) -> Bytes:
    """A changed copy of the file's bytes; half of the changes are near its ends, where its structure is."""
    near = int(random.integers(0, min(2048, len(whole))))
    place = [near, len(whole) - 1 - near, int(random.integers(0, len(whole)))][case % 3]
    if how == "truncated":
        return whole[:place]
    changed = whole.copy()
    if how == "flipped":
        changed[place] ^= np.uint8(1 << int(random.integers(0, 8)))
    else:
        junk = random.integers(0, 256, int(random.integers(1, 64)), dtype=np.uint8)
        changed[place : place + len(junk)] = junk[: len(changed) - place]
    return changed


def outcome(plan: Plan, file: Path) -> None:
    """Read everything; it is either whole, or an error that names the file."""
    lengths: list[int] = []
    error = failure(plan, lengths)
    if error is None:
        assert lengths == [len(ids) for ids in plan]
    else:
        assert str(file) in error
        assert "panicked" not in error


def failure(plan: Plan, lengths: list[int]) -> str | None:
    """The text of the error that ends the stream, or None; collects the lengths of the batches before."""
    try:
        lengths.extend(len(batch) for batch in RustPrefetch(readers=2).stream(plan))
    except (DataError, UnavailableError) as error:
        return str(error)
    return None

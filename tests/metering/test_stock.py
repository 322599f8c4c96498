"""A data set in memory: the same bytes, the same rows, or a reason why not."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from feedrate.contract import Fixture
from feedrate.errors import DataError
from feedrate.loading.source import FileSource
from feedrate.metering.ablation.dataset_cache import DataSetCache, DecodedSource


class Usage(NamedTuple):
    free: int


def test_decoded_blocks_hold_what_the_files_hold(sums_fixture: Fixture, tmp_path: Path) -> None:
    plan = sums_fixture.plan
    decoded = DataSetCache.filled(plan, tmp_path).decoded
    assert decoded is not None

    kept, read = DecodedSource(plan, decoded), FileSource(plan.data, plan.spec)
    for block in plan.stored_blocks:
        expected, found = read.read(block).tensors, kept.read(block).tensors
        assert {name: tensor.dtype for name, tensor in found.items()} == {n: t.dtype for n, t in expected.items()}
        for name, tensor in expected.items():
            assert torch.equal(found[name].view(torch.uint8), tensor.contiguous().view(torch.uint8)), name


def test_copies_of_the_files_are_read_in_their_place(sums_fixture: Fixture, tmp_path: Path) -> None:
    in_memory = DataSetCache.filled(sums_fixture.plan, tmp_path).in_memory(sums_fixture.plan)

    assert in_memory.data.path(0).parent == tmp_path
    assert in_memory.data.path(0).read_bytes() == sums_fixture.plan.data.path(0).read_bytes()


def test_a_file_that_is_not_what_was_written_is_named(sums_fixture: Fixture, tmp_path: Path) -> None:
    folder, copies = tmp_path / "data", tmp_path / "copies"
    shutil.copytree(sums_fixture.plan.data.folder, folder)
    copies.mkdir()
    broken = folder / sums_fixture.plan.data.shards[1].file
    broken.write_bytes(bytes(broken.stat().st_size))
    plan = replace(sums_fixture.plan, data=replace(sums_fixture.plan.data, folder=folder))

    with pytest.raises(DataError, match=r"00001\.arrow: is not what was written"):
        DataSetCache.filled(plan, copies)


def test_no_room_is_a_reason(sums_fixture: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path("/dev/shm/feedrate")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(free=100))

    assert DataSetCache.lacking(sums_fixture.plan, folder).startswith("/dev/shm has room for 100 bytes")

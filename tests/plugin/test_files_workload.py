"""A workload over a user's own files: what a batch and a block are, and what loaders are held to."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from feedrate.api.selection import Selection
from feedrate.builtin.loaders.gpu_chunk import GpuChunk
from feedrate.builtin.loaders.inline import Inline
from feedrate.builtin.loaders.threads import Threads
from feedrate.contract import LOADER_PROMISES, Fixture, Promise
from feedrate.contract.contents import serves_the_generated_values
from feedrate.data.own.table import OwnTable
from feedrate.errors import ContractError, UnavailableError, UsageError
from feedrate.plugin.cell import Cell
from feedrate.plugin.files_workload import FilesWorkload
from feedrate.plugin.loader import Loader
from feedrate.plugin.registry import Registry
from tests.support.lying_rows import FillsHoles
from tests.support.own_files import arrays, arrow, hdf5, parquet, state, table

MAKERS = {"parquet": parquet, "arrow": arrow, "lz4": lambda path, content: arrow(path, content, "lz4")}


def files(folder: Path, kind: str) -> tuple[Path, ...]:
    if kind == "hdf5":
        return tuple(hdf5(folder / f"{n}.h5", arrays(n), chunks=True) for n in range(2))
    return tuple(MAKERS[kind](folder / f"{n}.{kind}", table(n)) for n in range(2))


def workload(folder: Path, kind: str, batch: int = 32) -> FilesWorkload:
    return FilesWorkload(OwnTable.of(files(folder, kind)), batch)


def fixture(own: FilesWorkload, epochs: int = 2) -> Fixture:
    recipe = own.at("own")
    return Fixture(own.plan(recipe.open(Path("nowhere")), "own", epochs=epochs), recipe)


@pytest.mark.parametrize("kind", [*MAKERS, "hdf5"])
@pytest.mark.parametrize("loader", [Inline(), Threads(), GpuChunk()], ids=str)
def test_loaders_serve_what_a_plain_reading_gives(tmp_path: Path, kind: str, loader: Loader) -> None:
    tried, before = fixture(workload(tmp_path, kind)), state(tmp_path)
    for promise in _row_promises():
        promise(loader, tried)
    assert state(tmp_path) == before


def _row_promises() -> list[Promise[Loader]]:
    names = ("serves_each_row_once", "keeps_the_planned_order", "cuts_the_planned_batches")
    contents = ("serves_the_generated_values", "leaves_batches_to_their_owner")
    return [promise for promise in LOADER_PROMISES if promise.__name__ in (*names, *contents)]


def test_a_loader_that_serves_other_values_is_caught(tmp_path: Path) -> None:
    numbers = np.arange(40, dtype=np.float32)
    numbers[7] = np.nan
    own = FilesWorkload(OwnTable.of((hdf5(tmp_path / "a.h5", {"unsure": numbers}),)), 8)
    with pytest.raises(ContractError, match="'unsure' of row 7 is wrong"):
        serves_the_generated_values(FillsHoles(), fixture(own))


# Groups of 70, 70, 70 and 20 rows in each of two files.
@pytest.mark.parametrize(("batch", "stops"), [(32, [70, 140, 210, 300, 370, 440, 460]), (100, [140, 300, 440, 460])])
def test_a_block_is_a_group_or_as_many_as_make_a_batch(tmp_path: Path, batch: int, stops: list[int]) -> None:
    blocks = workload(tmp_path, "parquet", batch).blocks("own")
    assert [(block.start, block.stop) for block in blocks] == list(pairwise([0, *stops]))


def test_its_cell_is_found_by_its_text_where_the_files_are_known(tmp_path: Path) -> None:
    registry, own = Registry.load(), workload(tmp_path, "arrow")
    (cell,) = Selection("tiny", "cpu", [own], ["inline"]).cells(registry.offering(own))
    assert str(cell).startswith(f"{own.table.name}[batch=32]/own/inline/none/")
    assert Cell.parse(str(cell), registry.offering(replace(own, batch=1_024))) == cell
    with pytest.raises(UsageError, match="no workload 'files-"):
        Cell.parse(str(cell), registry)


def test_a_step_that_trains_is_refused(tmp_path: Path) -> None:
    own = workload(tmp_path, "arrow")
    registry = Registry.load().offering(own)
    with pytest.raises(UsageError, match="has no model for the step fp32 to train; leave --step away"):
        Selection("tiny", "cpu", [own], ["inline"], ["fp32"]).cells(registry)
    with pytest.raises(UnavailableError, match="files alone have no model"):
        own.model("own")


def test_it_has_one_size_and_no_knob_but_the_batch(tmp_path: Path) -> None:
    own = workload(tmp_path, "arrow")
    assert own.knobs == {"batch": 32, "drop_last": False}
    with pytest.raises(UsageError, match="no size 'tiny'; there are: own"):
        own.at("tiny")
    with pytest.raises(UsageError, match="batch=0 is out of range"):
        own.with_knobs({"batch": "0"})

"""Files that somebody else wrote are read like feedrate's, their rows numbered; what cannot be read is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feedrate import UnavailableError
from feedrate.contract import LOADER_PROMISES, Fixture
from feedrate.data.own.table import OwnTable
from feedrate.plugin.files_workload import FilesWorkload
from feedrate_rust_prefetch import RustPrefetch

Columns = dict[str, np.ndarray[Any, Any]]
ROWS = 250
ROW_PROMISES = LOADER_PROMISES[:5]


def columns(seed: int) -> Columns:
    draw = np.random.default_rng(seed)
    return {"price": draw.standard_normal(ROWS), "label": draw.integers(0, 9, ROWS), "fine": draw.random(ROWS) > 0.5}


def parquet(path: Path, content: Columns) -> None:
    pq.write_table(pa.table(dict(content)), path, row_group_size=70)


def arrow(path: Path, content: Columns) -> None:
    table = pa.table(dict(content))
    with pa.ipc.new_file(path, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as out:
        out.write_table(table, max_chunksize=70)


def hdf5(path: Path, content: Columns) -> None:
    with h5py.File(path, "w") as file:
        for name, values in content.items():
            file.create_dataset(name, data=values, chunks=(32,), compression="gzip")


def fixture(*paths: Path) -> Fixture:
    recipe = FilesWorkload(OwnTable.of(paths), 32).at("own")
    return Fixture(recipe.workload.plan(recipe.open(Path("nowhere")), "own", epochs=3), recipe)


@pytest.mark.parametrize("write", [parquet, arrow, hdf5])
@pytest.mark.parametrize("loader", [RustPrefetch(), RustPrefetch(depth=1, readers=1)], ids=str)
def test_files_of_somebody_else_are_read_bit_by_bit(
    tmp_path: Path, write: Callable[[Path, Columns], None], loader: RustPrefetch
) -> None:
    for number in range(2):
        write(tmp_path / str(number), columns(number))
    tried = fixture(tmp_path / "0", tmp_path / "1")
    for promise in ROW_PROMISES:
        promise(loader, tried)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (pa.array([1, 2], pa.uint16()), 'no element type "uint16"'),
        (
            pa.array([1, 2], pa.timestamp("us")),
            "instead of int64; it reads columns as feedrate writes them: use threads",
        ),
        (pa.array([[1, 2], [3, 4]], pa.list_(pa.int64(), 2)), "Parquet's column 'x' holds lists"),
    ],
)
def test_what_cannot_be_read_is_said_in_words(tmp_path: Path, values: pa.Array[Any], why: str) -> None:
    pq.write_table(pa.table({"x": values}), tmp_path / "x")
    with pytest.raises(UnavailableError, match=f"rust_prefetch: .*{why}"):
        list(RustPrefetch().stream(fixture(tmp_path / "x").plan))

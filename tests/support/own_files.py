"""Small files of every format as somebody else would have written them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROWS, FILES = 230, 2
READ = ("price", "fine", "token", "small", "big", "wide", "mask", "when", "day", "half")
"""Columns of `table` that can be tensors."""


def table(number: int = 0, rows: int = ROWS) -> pa.Table:
    """Columns of every kind, of which the last four cannot be tensors."""
    draw = np.random.default_rng(number)
    lists = pa.FixedSizeListArray.from_arrays
    columns: dict[str, Any] = {
        "price": pa.array(draw.standard_normal(rows)),
        "fine": pa.array(draw.random(rows) > 0.5),
        "token": pa.array(draw.integers(0, 1 << 16, rows).astype(np.uint16)),
        "small": pa.array(draw.integers(-128, 128, rows).astype(np.int8)),
        "big": pa.array(draw.integers(0, 1 << 64, rows, np.uint64)),
        "wide": lists(pa.array(draw.standard_normal(5 * rows).astype(np.float32)), 5),
        "mask": lists(lists(pa.array(draw.random(6 * rows) > 0.5), 3), 2),
        "when": pa.array(draw.integers(0, 1 << 40, rows), pa.timestamp("us", tz="UTC")),
        "day": pa.array(draw.integers(0, 20_000, rows).astype(np.int32), pa.date32()),
        "half": pa.array(draw.standard_normal(rows).astype(np.float16)),
        "word": [f"w{row}" for row in range(rows)],
        "kind": pa.array(["a", "b"] * (rows // 2)).dictionary_encode(),
        "some": pa.array([[1] * (row % 3) for row in range(rows)], pa.list_(pa.int64())),
        "hole": pa.array([None if row == 3 else row for row in range(rows)], pa.int64()),
    }
    return pa.table(columns)


def parquet(path: Path, content: pa.Table, **options: Any) -> Path:
    pq.write_table(content, path, **{"row_group_size": 70, **options})
    return path


def arrow(path: Path, content: pa.Table, compression: str | None = None) -> Path:
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_file(path, content.schema, options=options) as out:
        out.write_table(content, max_chunksize=70)
    return path


def hdf5(path: Path, columns: Mapping[str, np.ndarray[Any, Any]], **options: Any) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in columns.items():
            file.create_dataset(name, data=values, **options)
    return path


def arrays(number: int = 0) -> dict[str, np.ndarray[Any, Any]]:
    """What an HDF5 file may hold."""
    draw = np.random.default_rng(number)
    return {
        "cube": draw.standard_normal((ROWS, 4, 3)).astype(np.float32),
        "fine": draw.random(ROWS) > 0.5,
        "label": draw.integers(0, 9, ROWS),
        "turned": np.arange(ROWS).astype(">f4"),
        "word": np.array([b"ab"] * ROWS),
    }


def state(folder: Path) -> dict[str, tuple[str, int]]:
    """What lies in a folder: digest and time of the last change of each file."""
    return {
        str(path.relative_to(folder)): (hashlib.blake2b(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }

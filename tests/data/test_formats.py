from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pytest
import torch

from feedrate.data.dataset import DataSet
from feedrate.data.field import Field
from feedrate.errors import DataError, UnavailableError
from feedrate.loading.batch_spec import BatchSpec
from feedrate.loading.block import Block
from feedrate.loading.order import BlockOrder
from feedrate.loading.plan import Plan
from feedrate.loading.source import FileSource
from tests.support.tables import ARROW, LISTS, Table

NARROW = Table().fields[:3]
MASKS = Field("m", "bool", "bool", (2,))
CUBES = Field("cube", "float32", "float32", (4, 3))
TABLES = {
    **{
        f"arrow-{lists}-{compression}": Table("arrow", {"lists": lists, "compression": compression})
        for lists in ("fixed", "variable")
        for compression in ("lz4", "zstd", "none")
    },
    **{
        f"parquet-{compression}": Table("parquet", {"compression": compression}, fields=(*NARROW, *LISTS, MASKS))
        for compression in ("snappy", "zstd", "none")
    },
    **{
        f"hdf5-{layout}": Table("hdf5", {"layout": layout}, fields=(*NARROW, *LISTS, CUBES))
        for layout in ("contiguous", "chunked", "gzip")
    },
}
READERS = [(name, "") for name in TABLES] + [("parquet-snappy", "polars"), ("parquet-none", "polars")]
ONE_OF_EACH = ["arrow-fixed-lz4", "arrow-variable-none", "parquet-snappy", "hdf5-contiguous"]


def plan_of(data: DataSet, fields: tuple[Field, ...], reader: str = "") -> Plan:
    block = Block(0, data.rows, ((0, data.rows),), 8)
    return Plan(data, BatchSpec(fields, decoder=reader), BlockOrder((block,)))


def read(data: DataSet, fields: tuple[Field, ...], start: int, stop: int, reader: str = "") -> dict[str, torch.Tensor]:
    source = FileSource(data, BatchSpec(fields, decoder=reader))
    return dict(source.read(Block(start, stop, ((start, stop),), 8)).tensors)


def same_bits(tensor: torch.Tensor, wanted: np.ndarray[Any, Any]) -> bool:
    found = tensor.numpy()
    return found.shape == wanted.shape and found.tobytes() == np.ascontiguousarray(wanted).tobytes()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, DataSet]:
    root = tmp_path_factory.mktemp("formats")
    return {name: DataSet.write(root / name, table) for name, table in TABLES.items()}


@pytest.mark.parametrize(("name", "reader"), READERS)
@pytest.mark.parametrize(("start", "stop"), [(0, 70), (0, 1), (9, 18), (16, 31), (30, 40), (35, 70), (69, 70)])
def test_any_range_comes_back_bit_by_bit(
    folders: dict[str, DataSet], name: str, reader: str, start: int, stop: int
) -> None:
    table = TABLES[name]
    found, wanted = read(folders[name], table.fields, start, stop, reader), table.rows(start, stop)
    assert found.keys() == wanted.keys()
    assert [key for key in found if not same_bits(found[key], wanted[key])] == []


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_only_the_columns_that_are_asked_for_are_read(folders: dict[str, DataSet], name: str) -> None:
    fields = TABLES[name].fields
    assert read(folders[name], (fields[0], fields[3]), 5, 45).keys() == {"row_id", "wide"}


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_rows_outlive_the_reader_and_the_file(tmp_path: Path, name: str) -> None:
    table = TABLES[name]
    data = DataSet.write(tmp_path / name, table)
    held = read(data, table.fields, 3, 33)
    for shard in range(3):
        data.path(shard).unlink()
    wanted = table.rows(3, 33)
    assert all(same_bits(held[key], wanted[key]) for key in wanted)


@pytest.mark.parametrize("name", ONE_OF_EACH)
@pytest.mark.parametrize("harm", ["missing", "empty", "half", "foreign"])
def test_a_harmed_file_is_named(tmp_path: Path, name: str, harm: str) -> None:
    table = TABLES[name]
    data = DataSet.write(tmp_path / name, table)
    path = data.path(1)
    raw = path.read_bytes()
    path.unlink()
    if harm != "missing":
        path.write_bytes({"empty": b"", "half": raw[: len(raw) // 2], "foreign": b"no such format" * 100}[harm])
    with pytest.raises(DataError, match=f"00001.{table.format}"):
        read(data, table.fields, 25, 70)
    assert read(data, table.fields, 0, 30)["row_id"].shape == (30,)


@pytest.mark.parametrize("harm", ["empty", "half", "missing"])
def test_polars_names_a_harmed_file_too(tmp_path: Path, harm: str) -> None:
    table = TABLES["parquet-none"]
    data = DataSet.write(tmp_path / "table", table)
    path = data.path(1)
    raw = path.read_bytes()
    path.unlink()
    if harm != "missing":
        path.write_bytes(raw[: len(raw) // 2] if harm == "half" else b"")
    with pytest.raises(DataError, match=r"00001.parquet"):
        read(data, table.fields, 0, 70, "polars")


@pytest.mark.parametrize("name", ONE_OF_EACH)
@pytest.mark.parametrize(
    "other",
    [
        {"groups": ((10, 7, 13), (1, 8), (30,))},
        {"groups": ((10, 7, 13), (2, 8), (30,))},
        {"fields": (*NARROW[:2], *LISTS)},
        {"fields": (*NARROW, Field("wide", "float32", "float32", (4,)), LISTS[1])},
        {"fields": (*NARROW, Field("wide", "int32", "float32", (5,)), LISTS[1])},
        {"fields": (*NARROW[:2], Field("y", "float32", "float32", (2,)), *LISTS)},
    ],
    ids=["a row less", "other groups", "a column less", "narrower", "another dtype", "wider"],
)
def test_a_file_of_another_table_is_named(tmp_path: Path, name: str, other: dict[str, Any]) -> None:
    table = TABLES[name]
    data = DataSet.write(tmp_path / name, table)
    stranger = DataSet.write(
        tmp_path / "stranger", Other(table.format, table.storage, **{"groups": table.groups} | other)
    )
    stranger.path(1).replace(data.path(1))
    if table.format != "hdf5" or stranger.shards[1].groups != (2, 8):
        with pytest.raises(DataError, match=f"00001.{table.format}"):
            read(data, (*NARROW, *LISTS), 30, 40)


class Other(Table):
    """A table that need not have `y` as one number."""

    def rows(self, start: int, stop: int) -> dict[str, Any]:
        made = super().rows(start, stop)
        shapes = {field.name: field.shape for field in self.fields}
        if shapes.get("y"):
            made["y"] = np.repeat(made["y"][:, None], 2, axis=1)
        return {name: made[name] for name in shapes}


def test_a_list_of_the_wrong_length_is_named_with_its_row(tmp_path: Path) -> None:
    data = DataSet.write(tmp_path / "table", TABLES["arrow-variable-lz4"])
    with pa.ipc.open_file(str(data.path(2))) as source:
        batch = source.get_batch(0)
    wide: list[Any] = batch.column("wide").to_pylist()
    wide[3] = wide[3][:-1]
    columns = [
        pa.array(wide, pa.list_(pa.float32())) if name == "wide" else batch.column(name) for name in batch.schema.names
    ]
    with pa.OSFile(str(data.path(2)), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as out:
        out.write_batch(pa.record_batch(columns, schema=batch.schema))
    with pytest.raises(DataError, match=r"00002.arrow: row 3 of column 'wide' has 4 values instead of 5"):
        read(data, Table().fields, 40, 70)


def test_a_hole_in_a_column_is_named(tmp_path: Path) -> None:
    data = DataSet.write(tmp_path / "table", Table("arrow", ARROW))
    with pa.ipc.open_file(str(data.path(2))) as source:
        batch = source.get_batch(0)
    holed = pa.array([None, *batch.column("code").to_pylist()[1:]], pa.int32())
    columns = [holed if name == "code" else batch.column(name) for name in batch.schema.names]
    with pa.OSFile(str(data.path(2)), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as out:
        out.write_batch(pa.record_batch(columns, schema=batch.schema))
    with pytest.raises(DataError, match=r"00002.arrow: column 'code' has 1 nulls"):
        read(data, Table().fields, 40, 70)


def test_an_uncompressed_arrow_column_is_not_copied(folders: dict[str, DataSet]) -> None:
    data = folders["arrow-fixed-none"]
    before = pa.total_allocated_bytes()
    held = read(data, Table().fields, 40, 70)
    assert pa.total_allocated_bytes() == before
    assert len(held) == 5


@pytest.mark.parametrize("layout", ["contiguous", "chunked", "gzip"])
def test_files_that_are_kept_open_are_read_alike_opened_once_and_closed_at_the_end(
    layout: str, folders: dict[str, DataSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, real = folders[f"hdf5-{layout}"], h5py.File
    opened: list[Any] = []

    def noted(*words: Any) -> Any:
        opened.append(real(*words))
        return opened[-1]

    monkeypatch.setattr(h5py, "File", noted)
    fields = (*NARROW, CUBES)
    plan = replace(plan_of(data, fields), spec=BatchSpec(fields, keep_open=True))
    block, half = Block(0, data.rows, ((0, data.rows),), 8), Block(5, 20, ((5, 20),), 8)

    with plan.open() as source, ThreadPoolExecutor(4) as pool:
        kept = [columns.tensors for columns in pool.map(source.read, [block, half] * 20)]
        assert len(opened) == len(data.shards)
        assert all(opened)
    assert not any(opened)
    for number, tensors in enumerate(kept):
        plain = read(data, fields, *((0, data.rows), (5, 20))[number % 2])
        assert all(same_bits(tensors[name], plain[name].numpy()) for name in plain)


def test_only_files_that_can_be_are_kept_open(folders: dict[str, DataSet]) -> None:
    with pytest.raises(UnavailableError, match="parquet files are opened for each read; none are kept open"):
        FileSource(folders["parquet-none"], BatchSpec(NARROW, keep_open=True))

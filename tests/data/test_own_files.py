"""Files that feedrate did not write are read as the library of their format reads them, or refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feedrate.data.own.table import OwnTable
from feedrate.errors import DataError
from feedrate.loading.batch_spec import BatchSpec
from feedrate.loading.block import Block
from feedrate.loading.source import FileSource
from tests.support.own_files import FILES, READ, ROWS, arrays, arrow, hdf5, parquet, state, table

ARROW_LIKE: dict[str, Callable[[Path, pa.Table], Path]] = {
    "snappy.parquet": parquet,
    "plain.parquet": lambda path, content: parquet(path, content, compression="none", use_dictionary=False),
    "silent.parquet": lambda path, content: parquet(path, content, write_statistics=False),
    "plain.arrow": arrow,
    "lz4.arrow": lambda path, content: arrow(path, content, "lz4"),
    "zstd.feather": lambda path, content: arrow(path, content, "zstd"),
}
HDF5: dict[str, dict[str, Any]] = {"plain": {}, "gzip": {"chunks": True, "compression": "gzip"}}


def written(folder: Path, name: str) -> tuple[Path, ...]:
    return tuple(ARROW_LIKE[name](folder / f"{number}.{name}", table(number)) for number in range(FILES))


def read(own: OwnTable, start: int, stop: int) -> dict[str, np.ndarray[Any, Any]]:
    data = own.data_set
    columns = FileSource(data, BatchSpec(data.fields)).read(Block(start, stop, ((start, stop),), 8))
    return {name: tensor.numpy() for name, tensor in columns.tensors.items()}


def refused(why: str, *paths: Path, columns: tuple[str, ...] = ()) -> None:
    with pytest.raises(DataError, match=why) as caught:
        OwnTable.of(paths, columns)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", ARROW_LIKE)
@pytest.mark.parametrize(("start", "stop"), [(0, FILES * ROWS), (69, 71), (ROWS - 1, ROWS + 1), (140, 210)])
def test_every_column_that_can_be_a_tensor_is_read_bit_by_bit(tmp_path: Path, name: str, start: int, stop: int) -> None:
    own = OwnTable.of(written(tmp_path, name))
    rows = read(own, start, stop)

    assert own.columns == READ
    assert rows.pop("row_id").tolist() == list(range(start, stop))
    whole = pa.concat_tables([table(number) for number in range(FILES)]).slice(start, stop - start)
    for column in READ:
        wanted = whole.column(column)
        if pa.types.is_temporal(wanted.type):
            wanted = wanted.cast(pa.int64() if column == "when" else pa.int32())
        values = rows[column].view(np.uint64) if column == "big" else rows[column]
        assert values.tolist() == wanted.to_pylist(), column


@pytest.mark.parametrize("name", HDF5)
def test_datasets_of_hdf5_are_read_bit_by_bit(tmp_path: Path, name: str) -> None:
    paths = [hdf5(tmp_path / f"{number}.h5", arrays(number), **HDF5[name]) for number in range(FILES)]
    own = OwnTable.of(paths)

    rows = read(own, 200, 300)
    for column in ("cube", "fine", "label"):
        wanted = np.concatenate([arrays(number)[column] for number in range(FILES)])[200:300]
        assert rows[column].tobytes() == wanted.tobytes()
    assert own.columns == ("cube", "fine", "label")
    assert "'turned' (float32 in the byte order of other machines), 'word' (text)" in own.remark


def test_what_is_not_read_is_said_in_one_line_with_the_way_out(tmp_path: Path) -> None:
    whole = table(1)
    filled = whole.set_column(whole.schema.get_field_index("hole"), "hole", [list(range(ROWS))])
    own = OwnTable.of([parquet(tmp_path / "a.parquet", filled), parquet(tmp_path / "b.parquet", table())])
    assert own.remark == (
        f"{tmp_path}: not read: 'word' (string), 'kind' (a dictionary), 'some' (lists of any length),"
        " 'hole' (1 null in b.parquet); --columns names those to read"
    )


@pytest.mark.parametrize("name", ARROW_LIKE)
def test_a_column_that_is_asked_for_and_holds_a_null_is_named_with_its_file(tmp_path: Path, name: str) -> None:
    refused(f"0.{name}: column 'hole' cannot be a tensor: 1 null; leave", *written(tmp_path, name), columns=("hole",))


def test_a_null_inside_a_list_is_one(tmp_path: Path) -> None:
    lists = pa.array([[1, 2], [3, None]], pa.list_(pa.int64(), 2))
    for path in (
        parquet(tmp_path / "x.parquet", pa.table({"x": lists})),
        arrow(tmp_path / "x", pa.table({"x": lists})),
    ):
        refused("no column can be a tensor: 'x' \\(1 null\\)", path)


def test_columns_that_are_named_are_read_alone(tmp_path: Path) -> None:
    own = OwnTable.of(written(tmp_path, "lz4.arrow"), ("wide", "price"))
    assert set(own.columns) == {"wide", "price"}
    assert own.remark == ""
    refused("no column 'cost'; --columns", *own.paths, columns=("cost",))


def test_other_files_columns_or_rows_are_another_table_and_the_same_ones_are_not(tmp_path: Path) -> None:
    first, second = written(tmp_path, "plain.arrow")
    names = [OwnTable.of(paths).name for paths in ((first,), (second,), (first, second), (second, first))]
    names.append(OwnTable.of((first,), ("price",)).name)
    assert len(set(names)) == len(names)
    assert OwnTable.of((first,), READ, look_for_nulls=False).name == names[0]


def test_files_that_make_no_table_are_refused_in_one_line(tmp_path: Path) -> None:
    whole = parquet(tmp_path / "a.parquet", table())
    narrow = parquet(tmp_path / "narrow.parquet", table().select(["price"]))
    other = parquet(tmp_path / "other.parquet", pa.table({"price": pa.array([1, 2])}))
    refused("other.parquet: column 'price' is int64 in other.parquet and float64 in narrow.parquet", narrow, other)
    refused("narrow.parquet: column 'fine' is missing in narrow.parquet and bool in a.parquet", whole, narrow)
    refused("is arrow, and a.parquet is parquet; name one kind", whole, arrow(tmp_path / "b", table()))
    assert OwnTable.of((whole, narrow), ("price",)).columns == ("price",)


def test_what_is_no_file_of_these_formats_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("a,b\n1,2\n")
    with pa.ipc.new_stream(tmp_path / "stream", table().schema) as out:
        out.write_table(table())
    refused("empty: is empty; leave it away", tmp_path / "empty")
    refused("text: is no file of Parquet, Arrow", tmp_path / "text")
    refused("stream: is an Arrow stream, and streams have no footer", tmp_path / "stream")
    refused("nowhere: cannot be read \\(No such file", tmp_path / "nowhere")
    refused("none.parquet: holds no rows", parquet(tmp_path / "none.parquet", table().slice(0, 0)))
    with pq.ParquetWriter(tmp_path / "groupless.parquet", table().schema):
        pass
    refused("groupless.parquet: holds no rows", tmp_path / "groupless.parquet")
    refused("none.h5: holds no rows", hdf5(tmp_path / "none.h5", {"a": np.zeros((0, 3))}))
    refused("no column can be a tensor: 'word'", parquet(tmp_path / "words", table().select(["word"])))


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.h5"])
def test_a_truncated_file_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    hdf5(path, arrays()) if name == "a.h5" else ARROW_LIKE[f"plain.{path.suffix[1:]}"](path, table())
    path.write_bytes(path.read_bytes()[:4_000])
    refused(f"{name}: cannot be read as", path)


def test_datasets_of_other_lengths_groups_and_single_values_are_named(tmp_path: Path) -> None:
    path = hdf5(tmp_path / "a.h5", {"a": np.arange(3), "b": np.arange(4), "one": np.array(1)})
    with h5py.File(path, "a") as file:
        file.create_group("deep")
    refused("'a' has 3 rows and 'b' has 4; --columns names those of one length", path)
    assert OwnTable.of((path,), ("b",)).shards[0].rows == 4
    refused("'one' cannot be a tensor: a single value", path, columns=("one",))
    refused("'deep' cannot be a tensor: a group", path, columns=("deep",))


def test_a_column_called_as_the_row_id_is_named_and_not_read(tmp_path: Path) -> None:
    own = OwnTable.of((parquet(tmp_path / "a", pa.table({"row_id": [7, 8], "x": [1, 2]})),))
    assert own.columns == ("x",)
    assert "'row_id' (the name of the row's number in a batch)" in own.remark


def test_two_columns_of_one_name_are_named_and_not_read(tmp_path: Path) -> None:
    twice = pa.table([pa.array([1]), pa.array([2]), pa.array([3])], ["x", "x", "y"])
    own = OwnTable.of((parquet(tmp_path / "a", twice), parquet(tmp_path / "b", twice)))
    assert own.columns == ("y",)
    assert "not read: 'x' (a name of several columns)" in own.remark
    assert read(own, 0, 2)["y"].tolist() == [3, 3]


def test_a_file_that_goes_or_changes_meanwhile_is_named(tmp_path: Path) -> None:
    own = OwnTable.of(written(tmp_path, "plain.arrow"))
    own.demand_unchanged()
    own.paths[1].unlink()
    with pytest.raises(DataError, match=r"1.plain.arrow: was changed meanwhile; run again"):
        own.demand_unchanged()
    with pytest.raises(DataError, match=r"1.plain.arrow: is missing$"):
        read(own, ROWS, ROWS + 5)


def test_looking_into_files_changes_nothing(tmp_path: Path) -> None:
    paths = written(tmp_path, "snappy.parquet")
    before = state(tmp_path)
    read(OwnTable.of(paths), 0, 10)
    assert state(tmp_path) == before

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from feedrate.data.field import Cast, Field
from feedrate.errors import ContractError
from feedrate.loading.batch import Batch, Columns, cast_to_model
from feedrate.loading.column import ROW_ID

ROWS, FIRST = 40, 100
COLUMNS = {
    ROW_ID: torch.arange(FIRST, FIRST + ROWS),
    "x": torch.arange(ROWS * 3, dtype=torch.float32).view(ROWS, 3),
    "b": torch.arange(ROWS, dtype=torch.uint8),
    "flag": torch.arange(ROWS) % 3 == 0,
}
FIELDS = (
    Field(ROW_ID, "uint64", "int64"),
    Field("x", "float32", "float32", (3,)),
    Field("b", "uint8", "int64"),
    Field("flag", "bool", "float32"),
    Field("long", "float32", "float32", (3,), column="x", window=6),
    Field("short", "uint8", "float32", column="b", window=2),
)


def columns(cast: Cast = "device", fields: tuple[Field, ...] = FIELDS) -> Columns:
    return Columns(COLUMNS, fields, cast, FIRST)


def storage(batch: Batch) -> set[int]:
    return {tensor.untyped_storage().data_ptr() for tensor in batch.tensors.values()}


def room(cast: Cast, rows: int) -> dict[str, Tensor]:
    dtypes = {field.name: getattr(torch, field.dtype(cast)) for field in FIELDS}
    return {f.name: torch.full((rows, *f.sample_shape), 9).to(dtypes[f.name]) for f in FIELDS}


def test_a_batch_holds_the_rows_that_were_asked_for_in_their_order() -> None:
    rows = torch.tensor([9, 5, 30, 9])
    batch = columns().batch(rows)
    assert len(batch) == 4
    assert batch.ids.tolist() == [109, 105, 130, 109]
    assert torch.equal(batch.tensors["x"], COLUMNS["x"][rows])
    assert batch.tensors.keys() == {"x", "b", "flag", "long", "short"}


def test_windows_are_the_rows_up_to_the_sample_oldest_first() -> None:
    batch = columns().batch(torch.tensor([7, 39, 5]))
    for position, row in enumerate((7, 39, 5)):
        assert torch.equal(batch.tensors["long"][position], COLUMNS["x"][row - 5 : row + 1])
        assert torch.equal(batch.tensors["short"][position], COLUMNS["b"][row - 1 : row + 1])


@pytest.mark.parametrize("first_day", [0, 2, 4])
def test_windows_of_a_panel_follow_one_code_through_the_days(first_day: int) -> None:
    listed = [2, 3, 3, 4, 6, 6, 7]
    starts = [sum(listed[:day]) for day in range(len(listed) + 1)]
    cells = [(day, code) for day, count in enumerate(listed) for code in range(count)]
    held = cells[starts[first_day] :]
    x = torch.tensor([day * 100 + code for day, code in held])
    fields = Field(ROW_ID, "uint64", "int64"), Field("f", "int64", "int64", column="x", window=3)
    panel = Columns(
        {ROW_ID: torch.arange(starts[first_day], starts[-1]), "x": x},
        fields, "device", starts[first_day], day_starts=torch.tensor(starts),
    )  # fmt: skip
    samples = [(d, c) for d, c in held if d >= first_day + 2 and c < listed[d - 2]]
    batch = panel.batch(torch.tensor([held.index(cell) for cell in samples]))
    assert batch.tensors["f"].tolist() == [[(d - back) * 100 + c for back in (2, 1, 0)] for d, c in samples]
    assert batch.ids.tolist() == [cells.index(cell) for cell in samples]


def test_the_cast_says_which_dtypes_leave_the_host() -> None:
    rows = torch.tensor([8, 6])
    narrow, wide = columns("device").batch(rows), columns("host").batch(rows)
    assert [narrow.tensors[name].dtype for name in ("b", "flag", "short")] == [torch.uint8, torch.bool, torch.uint8]
    assert [wide.tensors[name].dtype for name in ("b", "flag", "short")] == [torch.int64, torch.float32, torch.float32]
    assert wide.bytes > narrow.bytes
    late = cast_to_model(narrow.tensors, FIELDS)
    assert all(torch.equal(late[name], wide.tensors[name]) for name in wide.tensors)


@pytest.mark.parametrize("cast", ["device", "host"])
def test_a_batch_can_be_gathered_into_memory_of_the_caller(cast: Cast) -> None:
    rows, into = torch.tensor([11, 6, 20]), room(cast, 5)
    placed, plain = columns(cast).batch(rows, into), columns(cast).batch(rows)
    assert placed.ids.tolist() == plain.ids.tolist()
    for name, tensor in plain.tensors.items():
        assert torch.equal(placed.tensors[name], tensor)
        assert placed.tensors[name].dtype == tensor.dtype
        assert placed.tensors[name].data_ptr() == into[name].data_ptr()
        assert into[name][3:].eq(torch.tensor(9).to(tensor.dtype)).all()


def test_batches_share_no_memory_with_each_other_or_the_columns() -> None:
    held = [columns().batch(torch.tensor([row, row + 1])) for row in (5, 10)]
    columns_memory = {tensor.untyped_storage().data_ptr() for tensor in COLUMNS.values()}
    assert not storage(held[0]) & storage(held[1])
    assert not columns_memory & (storage(held[0]) | storage(held[1]))


@pytest.mark.parametrize("given", [True, False])
def test_derived_tensors_come_with_the_batch(given: bool) -> None:
    source = Columns(COLUMNS, FIELDS, "device", FIRST, derive=lambda made: {"sum": made["x"].sum(1)})
    into = room("device", 4) | {"sum": torch.zeros(4)} if given else None
    batch = source.batch(torch.tensor([6, 7]), into)
    assert batch.tensors["sum"].tolist() == COLUMNS["x"][6:8].sum(1).tolist()
    assert "row_id" not in batch.tensors


def test_a_dtype_that_torch_lacks_is_named() -> None:
    with pytest.raises(ContractError, match="'float12' is not the name of a torch dtype"):
        columns("host", (Field("x", "float32", "float12", (3,)),)).batch(torch.tensor([6]))


def test_a_batch_stands_alone_in_the_same_memory() -> None:
    memory = torch.arange(12.0).view(3, 4)
    batch = Batch(torch.arange(2), {"view": memory[1:, ::2], "own": torch.ones(2)})

    alone = batch.without_views()

    assert alone.tensors["view"]._base is None
    assert alone.tensors["view"].tolist() == [[4, 6], [8, 10]]
    assert alone.tensors["view"].data_ptr() == batch.tensors["view"].data_ptr()
    assert alone.tensors["own"] is batch.tensors["own"]

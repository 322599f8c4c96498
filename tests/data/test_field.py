from __future__ import annotations

import json

from feedrate.data.field import Field


def test_a_field_survives_a_manifest() -> None:
    for field in (Field("a", "uint8", "int64"), Field("w", "float32", "float32", (3, 4), column="base", window=5)):
        assert Field.from_json(json.loads(json.dumps(field.as_json()))) == field


def test_a_window_adds_an_axis_of_history() -> None:
    window = Field("w", "float32", "float32", (4,), column="base", window=5)
    assert window.column_name == "base"
    assert window.sample_shape == (5, 4)
    assert window.row_bytes == 16
    assert window.sample_bytes("device") == 80


def test_where_a_dtype_is_widened_decides_the_bytes_that_travel() -> None:
    board = Field("board", "uint8", "int64", (81,))
    assert (board.sample_bytes("device"), board.sample_bytes("host")) == (81, 648)


def test_an_unsigned_row_id_is_served_as_int64() -> None:
    assert Field("row_id", "uint64", "int64").dtype("device") == "int64"

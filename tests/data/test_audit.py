"""Every value of a column counts in its audit, and no more than a block is held for it."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from feedrate.data.audit import ColumnAudit, audited, stored_blocks
from feedrate.data.dataset import DataSet
from feedrate.errors import DataError

NAN, INF = float("nan"), float("inf")


def audit_of(*blocks: NDArray[np.generic]) -> ColumnAudit:
    """The audit of a column that comes in these blocks."""
    (column,) = audited({"x": block} for block in blocks)
    return column


def test_missing_infinite_and_constant_places_of_a_row_are_counted_over_all_blocks() -> None:
    first = np.array([[1, 7, NAN, 0], [2, 7, NAN, INF]], np.float32)
    second = np.array([[3, 7, NAN, 0], [NAN, 7, NAN, -INF]], np.float32)
    column = audit_of(first, second)

    assert (column.name, column.dtype, column.shape, column.rows) == ("x", "float32", (4,), 4)
    assert (column.missing, column.most_missing, column.infinite) == (5 / 16, 1.0, 2 / 16)
    # The second place, and the third, which is nowhere known.
    assert (column.constant, column.places) == (2, 4)


@pytest.mark.parametrize(
    ("values", "constant"),
    [([3, 3, 3], 1), ([3, 3, 4], 0), ([True, True], 1), ([5], 0), ([NAN, NAN], 1), ([NAN, 1.0], 0), ([1.0, NAN], 0)],
)
def test_a_column_of_one_value_is_constant_from_its_second_row_on(values: list[float], constant: int) -> None:
    assert audit_of(np.array(values)).constant == constant
    assert audit_of(*(np.array([value]) for value in values)).constant == constant


def test_rows_of_unlike_lengths_are_counted_as_a_whole() -> None:
    column = audit_of(np.ones((2, 3)), np.full((1, 2), NAN), np.ones((1, 3)))

    assert (column.shape, column.rows, column.constant) == ((None,), 4, 0)
    assert (column.missing, column.most_missing) == (2 / 11, 2 / 11)


def test_one_block_is_held_at_a_time() -> None:
    blocks: list[weakref.ref[NDArray[np.float64]]] = []

    def made() -> Iterator[Mapping[str, NDArray[np.float64]]]:
        for number in range(20):
            block = np.full((10, 3), float(number))
            blocks.append(weakref.ref(block))
            # The one before may still be the caller's.
            assert sum(reference() is not None for reference in blocks) <= 2
            yield {"x": block}
            del block

    (column,) = audited(made())
    assert column.rows == 200


def test_the_files_of_a_data_set_are_read_group_by_group(sums_data: DataSet) -> None:
    assert [len(block["y"]) for block in stored_blocks(sums_data)] == [26, 26, 26, 26, 26, 25, 26, 22]
    by_name = {column.name: column for column in audited(stored_blocks(sums_data))}

    assert [(column.dtype, column.shape) for column in by_name.values()] == [
        ("uint64", ()),
        ("uint8", (6,)),
        ("float32", ()),
        ("float32", ()),
    ]
    assert by_name["unsure"].missing == pytest.approx(41 / 203)
    assert {column.constant for column in by_name.values()} == {0}


def test_a_damaged_file_is_named(sums_data: DataSet, tmp_path: Path) -> None:
    for shard in sums_data.shards:
        (tmp_path / shard.file).write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"00000\.arrow: "):
        audited(stored_blocks(replace(sums_data, folder=tmp_path)))

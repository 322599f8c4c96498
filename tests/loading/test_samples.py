"""Samples of a map-style data set: their indices, their names in a batch, and the blocks that they make."""

from __future__ import annotations

import pickle
from collections import namedtuple

import numpy as np
import pytest
import torch

from feedrate.errors import UnavailableError
from feedrate.loading.block import Block
from feedrate.loading.leaves import leaves, nested
from feedrate.loading.sample_index import SampleIndex, sample_generator

Pair = namedtuple("Pair", ["left", "right"])


def test_leaves_are_named_by_their_paths_and_nest_again() -> None:
    one, two, three = torch.ones(2), torch.zeros(2, 3), torch.tensor([True, False])
    batch = {"a": one, "b": (two, {"c": three, "none": None}), "d": [1, 2.5], "e": np.arange(2), "f": Pair(one, 7)}

    named = dict(leaves(batch))

    assert list(named) == ["a", "b.0", "b.1.c", "d.0", "d.1", "e", "f.left", "f.right"]
    assert named["a"] is one
    assert [named[name].dtype for name in ("d.0", "d.1", "e")] == [torch.int64, torch.float32, torch.int64]
    again = nested(named)
    assert list(again) == ["a", "b", "d", "e", "f"]
    assert again["b"][0] is two
    assert again["b"][1] == {"c": three}
    assert [int(value) for value in again["d"]] == [1, 2]
    assert again["f"]["left"] is one


def test_a_batch_that_is_one_tensor_is_called_batch() -> None:
    whole = torch.ones(3)

    assert dict(leaves(whole)) == {"batch": whole}
    assert nested({"batch": whole}) is whole


@pytest.mark.parametrize(
    ("batch", "text"),
    [
        (["a"], "'0' is of type str"),
        ({"x": torch.ones(1), "who": object()}, "'who' is of type object"),
        (np.array(["a"]), "'batch' is of type ndarray"),
    ],
)
def test_what_is_no_tensor_is_named_with_its_path(batch: object, text: str) -> None:
    with pytest.raises(UnavailableError, match=text):
        dict(leaves(batch))


@pytest.mark.parametrize("rows", [[7], [3, 4, 5], [9, 2, 3, 8, 7], [0, 1, 5, 6, 4]], ids=str)
def test_a_block_of_rows_is_one_batch_of_them_in_their_order(rows: list[int]) -> None:
    block = Block.of_rows(rows)

    assert [ids.tolist() for ids in block.ids()] == [rows]
    assert (block.samples, block.batch_count, block.max_batch_rows) == (len(rows), 1, len(rows))


def test_a_keyed_block_of_rows_has_them_in_another_order() -> None:
    block = Block.of_rows(list(range(0, 60, 2)))
    (ids,) = Block(block.start, block.stop, block.spans, block.batch_rows, key=(0, 1, 0)).ids()

    assert ids.tolist() != list(range(0, 60, 2))
    assert sorted(ids.tolist()) == list(range(0, 60, 2))


def test_an_index_is_an_int_and_its_numbers_follow_from_seed_epoch_and_itself() -> None:
    index = SampleIndex(3, epoch=2, seed=5)

    assert (index, [10, 11, 12, 13][index], f"{index}") == (3, 13, "3")
    assert (index.epoch, index.seed) == (2, 5)
    assert sample_generator(index).random() == sample_generator(SampleIndex(3, 2, 5)).random()
    others = (3, SampleIndex(3, 1, 5), SampleIndex(3, 2, 6), SampleIndex(4, 2, 5))
    assert sample_generator(index).random() not in [sample_generator(other).random() for other in others]
    assert sample_generator(3).random() == sample_generator(SampleIndex(3)).random()
    assert pickle.loads(pickle.dumps(index)) == 3

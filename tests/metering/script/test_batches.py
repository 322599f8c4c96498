"""Batches of any nesting are counted, copied, and served again as they came."""

from __future__ import annotations

from collections import UserDict
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from feedrate.metering.script.batches import ReadyBatches, bytes_of, copied, rebuilt, samples_of


class Pair(NamedTuple):
    inputs: torch.Tensor
    names: list[str]


class Encoding(UserDict):  # type: ignore[type-arg]
    """A mapping with more to it, as tokenizers give."""


def batches() -> list[Any]:
    x = torch.arange(12.0).reshape(4, 3)
    return [
        x,
        (x, torch.zeros(4)),
        {"x": x, "deep": [{"y": torch.ones(4, 2)}]},
        Pair(x, ["a", "b", "c", "d"]),
        Encoding({"ids": x}),
        [x.numpy()],
    ]


@pytest.mark.parametrize("batch", batches(), ids=lambda batch: type(batch).__name__)
def test_a_batch_is_counted_and_copied_and_its_containers_are_new(batch: Any) -> None:
    assert samples_of(batch) == 4
    assert bytes_of(batch) >= 48
    for again, shares in ((rebuilt(batch), True), (copied(batch), False)):
        assert type(again) is type(batch)
        (mine, *_), (theirs, *_) = _tensors(again), _tensors(batch)
        assert torch.equal(mine, theirs)
        assert (mine.data_ptr() == theirs.data_ptr()) is shares
        if isinstance(batch, dict | list | UserDict):
            assert again is not batch


def _tensors(batch: Any) -> list[torch.Tensor]:
    if isinstance(batch, torch.Tensor):
        return [batch]
    if isinstance(batch, np.ndarray):
        return [torch.from_numpy(batch)]
    values = batch.values() if isinstance(batch, dict | UserDict) else batch if isinstance(batch, list | tuple) else ()
    return [tensor for value in values for tensor in _tensors(value)]


@pytest.mark.parametrize(
    ("batch", "samples"),
    [
        ([[torch.zeros(3, 8), torch.zeros(3, 9)], [{"boxes": torch.zeros(5)}]], 2),
        ({"text": ["a", "b", "c"]}, 3),
        (torch.tensor(1.0), 1),
        ("a", 0),
        ({}, 0),
    ],
)
def test_samples_are_told_by_lists_of_images_and_texts_too(batch: Any, samples: int) -> None:
    assert samples_of(batch) == samples


def test_what_a_script_takes_to_pieces_comes_whole_again() -> None:
    ready = ReadyBatches(1 << 20)
    ready.keep({"x": torch.ones(2), "y": torch.zeros(2)})
    for batch in ready.take(3):
        assert batch.pop("x").sum() == 2
    assert not ready.changed_in_place


@pytest.mark.parametrize("values", [torch.ones(2), np.ones(2)], ids=lambda values: type(values).__name__)
def test_what_a_script_changes_in_place_is_copied_anew_from_then_on(values: Any) -> None:
    ready = ReadyBatches(1 << 20)
    ready.keep([values])
    for (served,) in ready.take(1):
        served *= 5
    for _ in range(2):
        for (served,) in ready.take(2):
            assert served.sum() == 2
            served *= 5
    assert ready.changed_in_place


def test_only_so_many_are_kept_as_there_is_room_for_but_two() -> None:
    ready = ReadyBatches(10)
    assert [ready.keep(torch.zeros(100)) for _ in range(3)] == [True, True, False]
    assert len(ready) == 2

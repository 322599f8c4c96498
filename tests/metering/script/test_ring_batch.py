"""A batch of any nesting comes out of a slot as it went in; what a slot cannot hold is named in one line."""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate
from torch.utils.data._utils.collate import default_collate_fn_map

from feedrate.errors import UnavailableError
from feedrate.metering.script.batches import digest_of
from feedrate.metering.script.ring_batch import SlotWriter, batch_in, used_bytes


class Pair(NamedTuple):
    inputs: Any
    targets: Any


def through(batch: Any, room: int = 1 << 16) -> Any:
    """Write a batch into a slot of so many bytes, and read it."""
    slot = torch.zeros(room, dtype=torch.uint8)
    writer = SlotWriter("ring_workers[count=1]")
    writer.begin(slot)
    writer.write(batch)
    return batch_in(slot[: used_bytes(slot)])


BATCHES = {
    "tensor": torch.arange(12.0).view(3, 4),
    "pair": [torch.randn(5, 3), torch.arange(5)],
    "dict": {"x": torch.randn(2, 2), "deep": OrderedDict(y=(torch.ones(3, dtype=torch.bfloat16), None, 3, 0.5, True))},
    "named": Pair(torch.randn(4), [torch.tensor(1), torch.tensor(2.5)]),
    "ragged": [torch.zeros(size, dtype=torch.int16) for size in (0, 1, 7, 1000)],
    "odd": [torch.tensor([True, False]), torch.tensor(1 + 2j), torch.empty(0, 3), torch.arange(6.0).view(2, 3).t()],
    "arrays": {"a": np.arange(6, dtype=np.uint16).reshape(2, 3), "b": np.array("2026", dtype="datetime64[Y]")},
    "gaps": torch.arange(20.0).view(4, 5)[::2, 1:4],
    "overlap": torch.arange(3.0).expand(4, 3),
}


@pytest.mark.parametrize("name", BATCHES)
def test_a_batch_comes_out_as_it_went_in(name: str) -> None:
    batch = BATCHES[name]
    out = through(batch)
    assert type(out) is type(batch)
    assert digest_of(out) == digest_of(batch)


def test_channels_last_stay_last() -> None:
    images = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    assert through(images).is_contiguous(memory_format=torch.channels_last)


def test_each_tensor_has_a_storage_of_its_own_in_the_memory_of_the_slot() -> None:
    first, second = out = through([torch.zeros(4), torch.zeros(4)])
    assert [tensor._base for tensor in out] == [None, None]
    before = second._version
    first.add_(1)
    assert second._version == before


def test_torchs_usual_collate_stacks_right_into_the_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    usual: dict[Any, Any] = default_collate_fn_map
    monkeypatch.setitem(usual, torch.Tensor, usual[torch.Tensor])
    samples = [(torch.full((5,), float(number)), number) for number in range(6)]
    slot, writer = torch.zeros(1 << 12, dtype=torch.uint8), SlotWriter("ring_workers[count=1]")
    collate = writer.collated(default_collate)
    writer.begin(slot)
    batch = collate(samples)
    assert slot.data_ptr() <= batch[0].data_ptr() < slot.data_ptr() + slot.numel()
    batch[0].add_(1)
    writer.write(batch)
    out = batch_in(slot[: used_bytes(slot)])
    assert out[0].data_ptr() == batch[0].data_ptr()
    assert digest_of(out) == digest_of(batch)


@pytest.mark.parametrize(
    ("batch", "named"),
    [
        ({"x": torch.zeros(2), "file": ["a.png", "b.png"]}, "a str"),
        ([torch.zeros(2), object()], "a object"),
        (torch.zeros(2, 2).to_sparse(), "a Tensor"),
        (torch.nn.Parameter(torch.zeros(2)), "a Parameter"),
        (np.array([None, 1]), "a ndarray"),
    ],
)
def test_what_is_no_number_is_refused_in_one_line_that_names_it(batch: Any, named: str) -> None:
    with pytest.raises(
        UnavailableError, match=re.escape(f"ring_workers[count=1]: the batch holds {named}, and")
    ) as told:
        through(batch)
    assert "\n" not in str(told.value)


def test_a_container_that_takes_only_tensors_is_refused_in_a_line() -> None:
    packed = torch.nn.utils.rnn.pack_sequence([torch.zeros(3), torch.zeros(2)])
    with pytest.raises(UnavailableError, match="the containers of a batch cannot be taken to pieces"):
        through({"packed": packed})


def test_a_batch_that_is_too_large_is_refused_with_both_sizes() -> None:
    with pytest.raises(UnavailableError, match=r"holds 0.00 GB, and a batch has 0.01 GB and more: use dataloader"):
        through(torch.zeros(1_500_000), 1 << 20)

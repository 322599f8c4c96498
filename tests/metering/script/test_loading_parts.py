"""Fetching and collating are timed apart, in the process that trains; where that cannot be, it is said why."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info

from feedrate.errors import ContractError
from feedrate.metering.script.loading_parts import loading_times

pytestmark = [pytest.mark.process, pytest.mark.filterwarnings("ignore::UserWarning")]

SAMPLE_S = 2e-3


class Slow(Dataset[Tensor]):
    def __len__(self) -> int:
        return 40

    def __getitem__(self, index: int) -> Tensor:
        time.sleep(SAMPLE_S)
        return torch.tensor(index)


class Stream(IterableDataset[Tensor]):
    def __iter__(self) -> Iterator[Tensor]:
        for index in range(22):
            time.sleep(SAMPLE_S)
            yield torch.tensor(index)


class OfWorkers(Slow):
    """Knows no other way than to be asked by a worker."""

    def __getitem__(self, index: int) -> Tensor:
        info = get_worker_info()
        if info is None:
            raise RuntimeError("no connection")
        return torch.tensor(index)


class Labelled(Slow):
    def __init__(self, first: int) -> None:
        self.first = first

    def __getitem__(self, index: int) -> tuple[Tensor, int]:  # type: ignore[override]
        return torch.full((3,), 0.5), self.first + index


def slowly(samples: Sequence[Tensor]) -> Tensor:
    time.sleep(4 * SAMPLE_S)
    return torch.stack(list(samples))


@pytest.mark.parametrize("data", [Slow(), Stream()], ids=["map", "iterable"])
def test_fetching_and_collating_are_timed_apart(data: Dataset[Tensor]) -> None:
    times = loading_times(DataLoader(data, 4, collate_fn=slowly), 0.05)

    assert times.absent == ""
    assert times.fetch is not None
    assert times.collate is not None
    assert times.samples == 4 * times.batches >= 8
    assert min(times.fetch.s) >= 4 * SAMPLE_S
    assert min(times.collate.s) >= 4 * SAMPLE_S
    assert (times.pin, times.hand_over_s) == (None, ())


def test_an_iterable_data_set_ends_where_it_ends() -> None:
    assert loading_times(DataLoader(Stream(), 4), 60.0).samples == 18, "five batches and a rest, the first untimed"
    assert loading_times(DataLoader(Stream(), 4, drop_last=True), 60.0).samples == 16
    assert loading_times(DataLoader(Stream(), batch_size=None), 60.0).samples == 21


def test_handing_over_is_timed_with_as_many_workers_and_leaves_none() -> None:
    times = loading_times(DataLoader(Slow(), 4, num_workers=2, multiprocessing_context="fork"), 0.5)

    assert times.batches >= 2
    # 0.5 s have room for 200.
    assert len(times.hand_over_s) >= 16
    assert torch.utils.data.get_worker_info() is None


@pytest.mark.parametrize(
    ("loader", "reason"),
    [
        (
            DataLoader(OfWorkers(), 4, num_workers=1),
            "the process that trains cannot fetch: RuntimeError: no connection",
        ),
        (DataLoader(Slow(), 64), "an epoch has one batch"),
        ([torch.ones(3)], "its batches come from no DataLoader of torch"),
    ],
    ids=["workers alone", "one batch", "no loader"],
)
def test_what_cannot_be_timed_is_said(loader: object, reason: str) -> None:
    threads = torch.get_num_threads()
    assert loading_times(loader, 0.05).absent == reason
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("first", [0, 1 << 24], ids=["held by floats", "not held"])
def test_integers_that_come_to_be_floats_are_named_or_wrong_data(first: int) -> None:
    def collate(samples: Sequence[tuple[Tensor, int]]) -> tuple[Tensor, Tensor]:
        return torch.stack([inputs for inputs, _ in samples]), torch.tensor([float(label) for _, label in samples])

    changed, kept = DataLoader(Labelled(first), 4, collate_fn=collate), DataLoader(Labelled(first), 4)
    if first:
        with pytest.raises(ContractError, match="WRONG DATA: the integers"):
            loading_times(changed, 0.05)
    else:
        assert loading_times(changed, 0.05).integers_as_floats == "[1] as float32"
    assert loading_times(kept, 0.05).absent == loading_times(kept, 0.05).integers_as_floats == ""

"""An order that comes again although a sampler shuffles is wrong data; one that nobody shuffled was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, Sampler, TensorDataset
from torch.utils.data.distributed import DistributedSampler

from feedrate.errors import ContractError
from feedrate.metering.script.order_check import EpochOrders, demand_sampler_that_moves_on, shuffles
from feedrate.metering.script.patch import patch_sampler

DATA = TensorDataset(torch.arange(64.0)[:, None])


class Seeded(Sampler[int]):
    """Shuffles, with the same seed each time."""

    def __init__(self, *, shuffle: bool) -> None:
        self.shuffle = shuffle

    def __iter__(self) -> Iterator[int]:
        order = torch.randperm(64, generator=torch.Generator().manual_seed(0)) if self.shuffle else torch.arange(64)
        return iter(order.tolist())

    def __len__(self) -> int:
        return 64


def epochs_of(loader: DataLoader[Any], generator: torch.Generator, *, seeded: bool) -> EpochOrders:
    """What is kept of two epochs."""
    orders = EpochOrders()
    for _ in range(2):
        if seeded:
            generator.manual_seed(0)
        orders.begin()
        for batch in loader:
            orders.note(batch, len(batch[0]))
    return orders


def test_a_generator_that_is_seeded_anew_gives_each_epoch_the_same_order() -> None:
    generator = torch.Generator().manual_seed(0)
    loader = DataLoader(DATA, 8, shuffle=True, generator=generator)
    assert shuffles(loader)

    epochs_of(loader, generator, seeded=False).demand_another_order(loader)
    with pytest.raises(ContractError, match="WRONG DATA: each epoch has the samples in the same order") as caught:
        epochs_of(loader, generator, seeded=True).demand_another_order(loader)
    assert "its RandomSampler shuffles" in str(caught.value)


def test_data_that_are_all_alike_and_epochs_of_one_batch_tell_nothing() -> None:
    generator = torch.Generator()
    alike = DataLoader(TensorDataset(torch.zeros(64, 1)), 8, shuffle=True, generator=generator)
    epochs_of(alike, generator, seeded=True).demand_another_order(alike)
    whole = DataLoader(DATA, 64, shuffle=True, generator=generator)
    epochs_of(whole, generator, seeded=True).demand_another_order(whole)


def test_a_second_epoch_is_waited_for_where_it_is_near_until_its_first_batches_are_known() -> None:
    orders = EpochOrders()
    orders.begin()
    assert not orders.awaits_another(None)
    assert not orders.awaits_another(60.0)
    assert orders.awaits_another(1.0)
    orders.begin()
    for number in range(3):
        assert orders.awaits_another(60.0)
        orders.note(torch.tensor([number]), 1)
    assert not orders.awaits_another(1.0)


def test_what_nobody_shuffles_is_not_asked() -> None:
    assert not shuffles(DataLoader(DATA, 8))
    assert not shuffles(DataLoader(DATA, sampler=Seeded(shuffle=False)))
    assert not shuffles([1, 2])


def test_a_sampler_that_begins_with_the_same_seed_is_told_without_a_second_epoch() -> None:
    loader = DataLoader(DATA, 8, sampler=Seeded(shuffle=True))
    with pytest.raises(ContractError, match="its Seeded shuffles: is its generator made with the same seed each time"):
        demand_sampler_that_moves_on(loader)
    for healthy in (DataLoader(DATA, 8, sampler=Seeded(shuffle=False)), DataLoader(DATA, 8, shuffle=True)):
        demand_sampler_that_moves_on(healthy)


def test_a_distributed_sampler_must_be_told_which_epoch_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DistributedSampler, "set_epoch", DistributedSampler.set_epoch)
    patch_sampler(DistributedSampler)

    def loader(*, told: bool, shuffle: bool = True) -> DataLoader[Any]:
        sampler: Any = DistributedSampler(DATA, num_replicas=2, rank=0, shuffle=shuffle)
        if told:
            sampler.set_epoch(0)
        return DataLoader(DATA, 8, sampler=sampler)

    for healthy in (loader(told=True), loader(told=False, shuffle=False)):
        demand_sampler_that_moves_on(healthy)
    with pytest.raises(ContractError, match=r"call set_epoch\(epoch\) of the sampler before each epoch"):
        demand_sampler_that_moves_on(loader(told=False))

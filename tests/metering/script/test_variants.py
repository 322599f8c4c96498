"""A script's loader rebuilt gives the same batches; what gives others is wrong data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from feedrate.errors import ContractError, UnavailableError
from feedrate.metering.script.batches import digest_of
from feedrate.metering.script.data_check import demand_right_data
from feedrate.metering.script.variants import rebuilt_loader

pytestmark = [pytest.mark.process, pytest.mark.filterwarnings("ignore::UserWarning")]


class Squares(Dataset[Tensor]):
    def __len__(self) -> int:
        return 40

    def __getitem__(self, index: int) -> Tensor:
        return torch.tensor(float(index) ** 2)


class Batched(Squares):
    def __getitems__(self, indices: list[int]) -> list[Tensor]:
        return [self[index] for index in indices]


class Numpy(Squares):
    """Draws from a generator that was made before the fork: every worker has the same."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(1)

    def __getitem__(self, index: int) -> Tensor:
        return torch.tensor(index + self.random.random())


class Seeded(Squares):
    def __getitem__(self, index: int) -> Tensor:
        return torch.tensor(float(index)) + torch.rand(())


class Handle(Squares):
    """Reads from a file that is open before the fork: workers move one another's place in it."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(bytes(range(40)))
        self.file = path.open("rb", buffering=0)
        self.owner = torch.initial_seed()

    def __del__(self) -> None:
        self.file.close()

    def __getitem__(self, index: int) -> Tensor:
        # As with a shared offset, but always: beside another worker the place is somebody else's.
        info = torch.utils.data.get_worker_info()
        self.file.seek((index + (info is not None and info.num_workers > 1)) % 40)
        return torch.tensor(self.file.read(1)[0])


class Torn(Squares):
    """Cannot be read by two workers at a time."""

    def __getitem__(self, index: int) -> Tensor:
        info = torch.utils.data.get_worker_info()
        if info is not None and info.num_workers > 1:
            raise OSError("half a record")
        return torch.tensor(float(index))


class Late(Dataset[Tensor]):
    """Opens its file when it is first asked for something."""

    opened = False

    def __len__(self) -> int:
        return 40

    def __getitem__(self, index: int) -> Tensor:
        self.opened = True
        return torch.tensor(index)


class Stream(IterableDataset[int]):
    def __init__(self, *, shared_out: bool) -> None:
        self.shared_out = shared_out

    def __iter__(self) -> Iterator[int]:
        info = torch.utils.data.get_worker_info()
        first, step = (info.id, info.num_workers) if info is not None and self.shared_out else (0, 1)
        yield from range(first, 40, step)


VARIANTS = ("inline", "dataloader[num_workers=2]", "threads[count=2]", "ring_workers[count=2,slots=2]")


@pytest.mark.parametrize("data", [Squares(), Batched()], ids=lambda data: type(data).__name__)
@pytest.mark.parametrize("spec", VARIANTS)
def test_a_rebuilt_loader_gives_the_same_batches_in_the_same_order(data: Dataset[Tensor], spec: str) -> None:
    own = DataLoader(data, batch_size=4, shuffle=False)
    expected = [digest_of(batch) for batch in own]
    assert [digest_of(batch) for batch in rebuilt_loader(own, spec)] == expected
    assert demand_right_data(own, spec) >= 2


def test_a_loader_without_automatic_batches_and_one_with_a_sampler_of_its_own_are_rebuilt() -> None:
    whole = DataLoader(Squares(), batch_size=None)
    for spec in ("threads[count=2]", "ring_workers[count=2]"):
        assert [float(value) for value in rebuilt_loader(whole, spec)] == [float(n**2) for n in range(40)]
    odd = DataLoader(Squares(), batch_sampler=[[1, 3], [5]])
    assert [batch.tolist() for batch in rebuilt_loader(odd, "dataloader[num_workers=1]")] == [[1.0, 9.0], [25.0]]


@pytest.mark.parametrize(
    ("loader", "text"),
    [
        (
            lambda folder: DataLoader(Handle(folder / "data"), batch_size=4, num_workers=2),
            "10 of 10 batches of dataloader",
        ),
        (
            lambda folder: DataLoader(Torn(), batch_size=4, num_workers=2),
            "fails on batches that one process alone fetches: OSError: half a record: is a file",
        ),
        (lambda folder: DataLoader(Numpy(), batch_size=4, num_workers=2), "2 workers draw the same random numbers"),
        (
            lambda folder: DataLoader(Stream(shared_out=False), batch_size=4, num_workers=2),
            "each of the 2 workers gives the whole iterable data set",
        ),
    ],
)
def test_wrong_data_are_told_before_any_speed(loader: Any, text: str, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="WRONG DATA") as caught:
        demand_right_data(loader(tmp_path), "dataloader")
    assert text in str(caught.value)


@pytest.mark.parametrize(
    "loader",
    [
        lambda folder: DataLoader(Handle(folder / "data"), batch_size=4, num_workers=0),
        lambda folder: DataLoader(Seeded(), batch_size=4, num_workers=2, shuffle=True),
        lambda folder: DataLoader(Stream(shared_out=True), batch_size=4, num_workers=2),
        lambda folder: DataLoader(Numpy(), batch_size=4, num_workers=0),
    ],
)
def test_their_twins_pass(loader: Any, tmp_path: Path) -> None:
    demand_right_data(loader(tmp_path), "dataloader")


def test_nothing_is_fetched_in_the_process_of_which_workers_are_forked() -> None:
    data = Late()
    assert demand_right_data(DataLoader(data, batch_size=4, num_workers=2), "dataloader") == 10
    assert not data.opened


@pytest.mark.parametrize("spec", ["threads[count=2]", "ring_workers[count=2]"])
def test_what_cannot_be_rebuilt_says_so(spec: str) -> None:
    with pytest.raises(UnavailableError, match="no samples to be asked for: race settings of dataloader"):
        rebuilt_loader(DataLoader(Stream(shared_out=True), batch_size=4), spec)
    with pytest.raises(UnavailableError, match="is no DataLoader of torch"):
        rebuilt_loader([1, 2], "threads[count=2]")


def test_a_threaded_loader_that_is_left_early_leaves_no_thread() -> None:
    import threading

    batches = iter(rebuilt_loader(DataLoader(Squares(), batch_size=2), "threads[count=3]"))
    next(batches)
    batches.close()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("feedrate-threads")]

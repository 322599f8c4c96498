"""Batches of a script's loader from workers with a ring: the same as torch's, and nothing is left of them."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from feedrate.errors import ContractError, UnavailableError
from feedrate.metering.script.batches import digest_of
from feedrate.metering.script.data_check import demand_right_data
from feedrate.metering.script.ring_loader import RingLoader
from feedrate.metering.script.variants import rebuilt_loader

pytestmark = [
    pytest.mark.process,
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
SPEC = "ring_workers[count=2,slots=3]"


class Items(Dataset[Any]):
    """Gives what a function makes of an index."""

    def __init__(self, item: Callable[[int], Any]) -> None:
        self.item = item

    def __len__(self) -> int:
        return 40

    def __getitem__(self, index: int) -> Any:
        return self.item(index)


def nested(index: int) -> dict[str, Any]:
    return {"x": torch.full((3,), float(index)), "pair": (index, torch.tensor(index % 2 == 0))}


def ring(item: Callable[[int], Any], **settings: Any) -> RingLoader:
    usual: dict[str, Any] = {"batch_size": 4, "num_workers": 1, "multiprocessing_context": "fork"}
    rebuilt = rebuilt_loader(DataLoader(Items(item), **(usual | settings)), SPEC)
    assert isinstance(rebuilt, RingLoader)
    return rebuilt


def expected_of(item: Callable[[int], Any]) -> list[str]:
    return [digest_of(batch) for batch in DataLoader(Items(item), batch_size=4)]


def workers() -> list[int]:
    return [child.pid or 0 for child in multiprocessing.active_children()]


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    files = set(os.listdir("/dev/shm"))
    yield
    gc.collect()
    assert workers() == []
    assert {name for name in os.listdir("/dev/shm") if f"_{os.getpid()}_" in name} <= files


def test_epochs_have_the_order_of_the_sampler_and_the_same_workers() -> None:
    generator = torch.Generator().manual_seed(3)
    loader = ring(lambda index: (index, os.getpid()), shuffle=True, generator=generator)
    # The seed of the workers is drawn first, as torch's own loader does.
    torch.empty((), dtype=torch.int64).random_(generator=generator)
    expected = [list(loader.own.sampler) for _ in range(2)]
    generator.manual_seed(3)
    pids: set[int] = set()
    for order in expected:
        batches = list(loader)
        assert torch.cat([indices for indices, _ in batches]).tolist() == order
        pids |= set(torch.cat([pids for _, pids in batches]).tolist())
    assert len(pids) == 2


def test_batches_that_are_kept_stay_what_they_were_also_when_the_workers_are_gone() -> None:
    loader = ring(nested)
    kept = list(loader)
    assert len(workers()) == 2
    del loader
    gc.collect()
    assert workers() == []
    assert [digest_of(batch) for batch in kept] == expected_of(nested)


def test_an_epoch_that_is_left_early_is_followed_by_a_whole_one() -> None:
    loader, expected = ring(nested), expected_of(nested)
    for count in (1, 4, 10):
        assert [digest_of(batch) for batch in islice(loader, count)] == expected[:count]
    assert [digest_of(batch) for batch in loader] == expected


def test_workers_are_what_those_of_torch_are() -> None:
    begun = [0]

    def told(index: int) -> tuple[int, ...]:
        info = get_worker_info()
        assert info is not None
        return info.id, info.num_workers, int(info.seed == torch.initial_seed()), torch.get_num_threads(), begun[0]

    loader = ring(told, batch_size=1, worker_init_fn=lambda number: begun.__setitem__(0, number + 1))
    assert [torch.cat(batch).tolist() for batch in islice(loader, 2)] == [[0, 2, 1, 1, 1], [1, 2, 1, 1, 2]]


@pytest.fixture
def own_fork_server() -> Iterator[None]:
    """End the fork server that Python keeps for this process, or other tests would find it left behind."""
    yield
    gc.collect()
    forkserver._forkserver._stop()  # type: ignore[attr-defined] # Python's own tests end it so


@pytest.mark.usefixtures("own_fork_server")
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_workers_start_as_the_script_says(method: str) -> None:
    own = DataLoader(Items(nested), batch_size=4, num_workers=1, multiprocessing_context=method)
    rebuilt = rebuilt_loader(own, "ring_workers[count=1]")
    assert [digest_of(batch) for batch in rebuilt] == expected_of(nested)


def failing(index: int) -> Tensor:
    if index == 9:
        raise KeyError("item nine")
    return torch.tensor(index)


def test_what_a_data_set_raises_comes_where_its_batch_would() -> None:
    batches = iter(ring(failing))
    assert [next(batches).tolist() for _ in range(2)] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    with pytest.raises(KeyError, match="in ring_workers process 0"):
        next(batches)


def test_strings_are_refused_before_anything_is_measured() -> None:
    with pytest.raises(UnavailableError, match=r"^ring_workers\[count=2,slots=3\]: the batch holds a str"):
        demand_right_data(DataLoader(Items(str), batch_size=4), SPEC)


def test_a_worker_that_is_killed_is_named() -> None:
    batches = iter(ring(nested))
    next(batches)
    victim = workers()[0]
    os.kill(victim, signal.SIGKILL)
    with pytest.raises(ContractError, match=f"worker {victim} was ended by SIGKILL"):
        list(batches)


ENDS = """
import os, signal, torch
from torch.utils.data import DataLoader
from feedrate.metering.script.variants import rebuilt_loader
batches = iter(rebuilt_loader(DataLoader(range(100), batch_size=4), "ring_workers[count=2]"))
next(batches)
print(open(f"/proc/self/task/{os.getpid()}/children").read(), flush=True)
"""


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("raise ValueError", 1),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
    ],
)
def test_workers_end_with_whatever_ends_the_script(end: str, status: int, tmp_path: Path) -> None:
    script = tmp_path / "ends.py"
    script.write_text(ENDS + end)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, done.stderr
    pids = [int(pid) for pid in done.stdout.split()]
    assert len(pids) >= 2
    _, alive = psutil.wait_procs([psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)], timeout=10)
    assert alive == []

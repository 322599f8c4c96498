"""Ranks of a training that several processes run together: all take the same phases, with counts agreed before each."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import torch.distributed

from feedrate.errors import HangError, UnavailableError
from feedrate.system.stopwatch import now_s

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store
    from torch.nn import Module

    from feedrate.records.request import RankPlace

__all__ = ["Alone", "Ranks", "Together", "joined", "own_rank", "rank_count", "ranks"]

_PATIENCE_S = 100.0
"""For another rank to come to the same point: well below the deadline of a run."""
_LOOK_S = 1.0
"""Between two looks whether another rank has failed."""
_FAILED = "failed"
_WAY_OUT = "measure the script as one rank"


class Alone:
    """A process that trains by itself."""

    rank = 0
    count = 1
    answers = True

    def family(self) -> int:
        """Give the process above all those that train."""
        return os.getpid()

    def largest(self, value: float) -> float:
        """Give the value."""
        return value

    def joined(self, model: Module) -> Module:
        """Give the model."""
        return model

    def leave(self) -> None:
        """Nobody waits."""

    def fail(self, reason: str) -> None:
        """Nobody is to know."""


@dataclass
class Together:
    """One of several ranks, which talk over a store that all of them reach; each makes the same calls."""

    store: Store
    rank: int
    count: int
    patience_s: float = _PATIENCE_S
    _turn: int = field(default=0, init=False)

    @property
    def answers(self) -> bool:
        """Whether this is the rank that answers for all."""
        return self.rank == 0

    def family(self) -> int:
        """Give the process above all ranks: whoever started this one."""
        return os.getppid()

    def largest(self, value: float) -> float:
        """Give the largest of what the ranks give; all come out of it together.

        Raises:
            UnavailableError: a rank does not come.
        """
        self._turn += 1
        said, result = f"{self._turn}/", f"{self._turn}/largest"
        if not self.answers:
            self.store.set(f"{said}{self.rank}", repr(float(value)))
        else:
            others = self._values([f"{said}{rank}" for rank in range(1, self.count)])
            self.store.set(result, repr(max(float(value), *others)))
        return self._values([result])[0]

    def joined(self, model: Module) -> Module:
        """Give the model, whose gradients become the mean of those of all ranks; each rank makes the same."""
        from torch.nn.parallel import DistributedDataParallel

        return DistributedDataParallel(model)

    def leave(self) -> None:
        """Part from the others; the rank that answers goes last, for the store may be in its process."""
        self.largest(0.0)
        if not self.answers:
            self.store.set(f"left/{self.rank}", "0")
        else:
            self._values([f"left/{rank}" for rank in range(1, self.count)])

    def fail(self, reason: str) -> None:
        """Have the others know that this rank cannot go on, and why."""
        self.store.set(_FAILED, reason)

    def _values(self, keys: list[str]) -> list[float]:
        """Give what other ranks set, once they did."""
        start = now_s()
        while not self._are_there(keys):
            if self.store.check([_FAILED]):
                raise UnavailableError(self.store.get(_FAILED).decode())
            if now_s() - start > self.patience_s:
                raise HangError(
                    f"rank {self.rank} of {self.count} waited {self.patience_s:g} s in vain for another to take the"
                    f" same batches: {_WAY_OUT}"
                )
        return [float(self.store.get(key)) for key in keys]

    def _are_there(self, keys: list[str]) -> bool:
        try:
            self.store.wait(keys, timedelta(seconds=min(_LOOK_S, self.patience_s)))
        except RuntimeError:
            return False
        return True


Ranks = Alone | Together


def joined(place: RankPlace, backend: str, patience_s: float) -> Together:
    """Join the ranks of one cell, all of them processes of this machine."""
    from torch._C._distributed_c10d import TCPStore

    patience = timedelta(seconds=patience_s)
    store = TCPStore(
        "127.0.0.1", place.port, place.count, place.listener is not None, patience, master_listen_fd=place.listener
    )
    torch.distributed.init_process_group(
        backend, store=store, rank=place.number, world_size=place.count, timeout=patience
    )
    from torch.distributed.distributed_c10d import PrefixStore

    return Together(PrefixStore("feedrate", store), place.number, place.count, patience_s)


def own_rank() -> int:
    """Number this process among the ranks of its training; 0 where it is alone."""
    return torch.distributed.get_rank() if _joined() else int(os.environ.get("RANK") or 0)


def rank_count() -> int:
    """Count the ranks of this process's training."""
    return torch.distributed.get_world_size() if _joined() else int(os.environ.get("WORLD_SIZE") or 1)


def ranks() -> Ranks:
    """Give the ranks that this process trains with.

    Raises:
        UnavailableError: there are others that it cannot talk to.
    """
    count = rank_count()
    here = int(os.environ.get("LOCAL_WORLD_SIZE") or count)
    if count == 1:
        return Alone()
    if not _joined():
        raise UnavailableError(f"it is one of {count} ranks (WORLD_SIZE) without torch.distributed: {_WAY_OUT}")
    if here < count:
        raise UnavailableError(f"its {count} ranks are on several machines: {_WAY_OUT}, or those of one machine")
    from torch.distributed.distributed_c10d import PrefixStore, _get_default_store

    return Together(PrefixStore("feedrate", _get_default_store()), own_rank(), count)


def _joined() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()

"""Find an order of samples that comes again in each epoch although the script's sampler shuffles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from torch.utils.data import DataLoader, IterableDataset, RandomSampler, SubsetRandomSampler, WeightedRandomSampler
from torch.utils.data.distributed import DistributedSampler

from feedrate.errors import ContractError
from feedrate.metering.script.batches import digest_of
from feedrate.metering.script.patch import sets_epochs

__all__ = ["EpochOrders", "demand_sampler_that_moves_on", "shuffles"]

_BATCHES = 3
"""First ones of an epoch that are compared with those of the epoch before."""
_LEAST_SAMPLES = 8
"""In them: so many come in the same order once in 40,320 epochs."""
_NEAR_S = 4.0
"""Of training, up to which the script's second epoch is waited for."""
_INDICES = 64
"""First ones that a sampler gives, compared with those that it gives the next time."""
_SHUFFLING = (RandomSampler, SubsetRandomSampler, WeightedRandomSampler)


def shuffles(loader: Any) -> bool:
    """Whether the sampler of a loader says that it gives another order in each epoch."""
    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
        return False
    return any(map(_shuffles, _samplers(loader)))


def _samplers(loader: DataLoader[Any]) -> Sequence[Any]:
    """List the samplers of a loader, the one that makes batches last."""
    inner = getattr(loader.batch_sampler, "sampler", None)
    return [*{id(each): each for each in (loader.sampler, inner, loader.batch_sampler) if each is not None}.values()]


def _shuffles(sampler: Any) -> bool:
    return isinstance(sampler, _SHUFFLING) or getattr(sampler, "shuffle", False) is True


@dataclass
class EpochOrders:
    """The first batches of each epoch of one loop, as the script goes through them by itself."""

    _epochs: list[list[str]] = field(default_factory=list)
    _samples: int = 0

    def begin(self) -> None:
        """Take note that an epoch begins."""
        self._epochs.append([])

    def note(self, batch: Any, samples: int) -> None:
        """Take note of a batch, before the script has it."""
        if len(self._epochs[-1]) < _BATCHES:
            self._epochs[-1].append(digest_of(batch))
            self._samples = max(self._samples, samples)

    def awaits_another(self, left_s: float | None) -> bool:
        """Whether the second epoch is near enough, or going on, but not known yet.

        `left_s`: training until the epoch ends; None: nobody knows.
        """
        if len(self._epochs) == 1:
            return left_s is not None and left_s <= _NEAR_S
        return len(self._epochs) == 2 and len(self._epochs[-1]) < _BATCHES

    def demand_another_order(self, loader: DataLoader[Any]) -> None:
        """Compare two epochs, if there were two.

        Raises:
            ContractError: the second has the samples of the first in their order.
        """
        first, second = (*self._epochs[-2:], [], [])[:2]
        enough = len(set(first)) > 1 and len(first) * self._samples >= _LEAST_SAMPLES
        if enough and first == second:
            raise _same_order(loader, "is a generator seeded anew before each epoch, or set_epoch(epoch) not called?")


def demand_sampler_that_moves_on(loader: DataLoader[Any]) -> None:
    """Refuse a sampler that shuffles and, left to itself, gives the same order in each epoch.

    Raises:
        ContractError: it does.
    """
    for sampler in _samplers(loader):
        if isinstance(sampler, DistributedSampler):
            # One whose class has a way of its own is left alone.
            is_usual = type(sampler).set_epoch is DistributedSampler.set_epoch
            if sampler.shuffle and is_usual and not sets_epochs(sampler):
                raise _same_order(loader, "call set_epoch(epoch) of the sampler before each epoch")
        elif getattr(sampler, "shuffle", False) is True and not hasattr(sampler, "set_epoch"):
            first, second = (_indices(sampler) for _ in range(2))
            if first == second and len(first) >= _LEAST_SAMPLES and first != sorted(first):
                raise _same_order(loader, "is its generator made with the same seed each time?")


def _indices(sampler: Any) -> Sequence[Any]:
    return list(islice(sampler, _INDICES))


def _same_order(loader: DataLoader[Any], advice: str) -> ContractError:
    name = next(type(sampler).__name__ for sampler in _samplers(loader) if _shuffles(sampler))
    return ContractError(
        f"WRONG DATA: each epoch has the samples in the same order, although its {name} shuffles: {advice}"
    )

"""Find wrong data before any speed: do workers, or a loader in place of the script's, give the same samples?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from torch.utils.data import DataLoader, IterableDataset

from feedrate.errors import ContractError, UnavailableError
from feedrate.metering.script.batches import digest_of
from feedrate.metering.script.fetching import Fetcher, order_of
from feedrate.metering.script.variants import rebuilt_loader
from feedrate.system.stopwatch import now_s

__all__ = ["demand_right_data"]

_BATCHES = 8
"""Of each worker, that are compared: workers that share a file do not get in each other's way at once."""
_ONE_WORKER = "dataloader[num_workers=1,persistent_workers=false]"
_CHECK_S = 1.0
"""For fetching them in one process; those that come later are not compared."""


def demand_right_data(loader: Any, spec: str) -> int:
    """Compare batches of the loader that `spec` names with the same ones fetched in this process; count them.

    What is random gives no batch twice, and only equal draws in all workers are told of it.

    Raises:
        ContractError: samples are wrong, come more than once, or are drawn alike by all workers.
        UnavailableError: that loader cannot take the script's one's place.
    """
    if not isinstance(loader, DataLoader):
        return 0
    if isinstance(loader.dataset, IterableDataset):
        return _demand_shared_out(rebuilt_loader(loader, spec))
    workers = max(1, int(getattr(rebuilt_loader(loader, spec), "num_workers", 0) or 0))
    indices = list(islice(order_of(loader), _BATCHES * workers))
    pairs = list(_within(_CHECK_S, _fetched_twice(loader, indices)))
    expected = [first for first, _ in pairs]
    indices = indices[: len(expected)]
    if any(first != second for first, second in pairs):
        return _demand_own_draws(loader, spec, indices[0], workers)
    served = _served(loader, spec, indices)
    wrong = sum(mine != theirs for mine, theirs in zip(expected, served, strict=False))
    if wrong or len(served) != len(expected):
        raise ContractError(
            f"WRONG DATA: {wrong or len(expected) - len(served)} of {len(expected)} batches of {spec} differ from what"
            " the same indices give in one process alone: is a file or a generator opened before workers start?"
        )
    return len(served)


def _served(loader: DataLoader[Any], spec: str, indices: Sequence[Any]) -> list[str]:
    """Give the digests of batches that were fetched by one process before."""
    batches = rebuilt_loader(loader, spec, indices)
    try:
        return [digest_of(batch) for batch in batches]
    except UnavailableError:
        raise
    # Whatever a data set raises, it did not where it was read by one process.
    except Exception as error:
        raise ContractError(
            f"WRONG DATA: {spec} fails on batches that one process alone fetches: {_last_line(error)}: is a file or a"
            " generator opened before workers start?"
        ) from error


def _last_line(error: Exception) -> str:
    """Give what an exception says at its end; that of a worker begins with the worker's traceback."""
    *_, last = str(error).strip().splitlines() or [type(error).__name__]
    return last


def _fetched_twice(loader: DataLoader[Any], indices: Sequence[Any]) -> Iterator[tuple[str, str]]:
    """Give the digests of each batch, fetched two times by one process alone.

    Where the script has workers it is one: a data set that opens its files late keeps them closed in the process
    that trains, of which workers are forked.
    """
    twice = (batch for batch in indices for _ in range(2))
    fetch = Fetcher.of(loader)
    batches = rebuilt_loader(loader, _ONE_WORKER, twice) if loader.num_workers else map(fetch, twice)
    digests = (digest_of(batch) for batch in batches)
    # Both of a pair are the next of one and the same iterator.
    return zip(digests, digests, strict=True)


def _within(seconds: float, pairs: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Give as many as come in so many seconds, but one at least."""
    start = now_s()
    for pair in pairs:
        yield pair
        if now_s() - start > seconds:
            return


def _demand_own_draws(loader: Any, spec: str, indices: Any, workers: int) -> int:
    """Have all workers make the same batch, twice each: what is random differs from one worker to the next."""
    if workers < 2:
        return 0
    served = [digest_of(batch) for batch in rebuilt_loader(loader, spec, [indices] * (2 * workers))]
    first, second = served[:workers], served[workers:]
    if len(set(first)) == 1 and first[0] not in second:
        raise ContractError(
            f"WRONG DATA: all {workers} workers draw the same random numbers: seed each of them, in worker_init_fn or"
            " from torch.initial_seed()"
        )
    return 0


def _demand_shared_out(loader: DataLoader[Any]) -> int:
    """Compare the first batches of the workers with one another: an iterable data set must be shared out."""
    if loader.num_workers < 2:
        return 0
    alone = [digest_of(batch) for batch in islice(rebuilt_loader(loader, _ONE_WORKER), 2)]
    first = [digest_of(batch) for batch in islice(loader, loader.num_workers)]
    if len(first) > 1 and len(set(first)) == 1 and len(set(alone)) > 1:
        raise ContractError(
            f"WRONG DATA: each of the {loader.num_workers} workers gives the whole iterable data set: share it out with"
            " torch.utils.data.get_worker_info()"
        )
    return len(first)

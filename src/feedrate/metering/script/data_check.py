"""Find wrong data before any speed: do workers, or a loader in place of the script's, give the same samples?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset

from feedrate.errors import ContractError, UnavailableError
from feedrate.metering.script.batches import digest_of
from feedrate.metering.script.fetching import Fetcher, order_of
from feedrate.metering.script.variants import rebuilt_loader
from feedrate.system.stopwatch import now_s

__all__ = ["demand_integers_kept", "demand_right_data", "integers_of"]

_BATCHES = 8
"""Of each worker, that are compared: workers that share a file do not get in each other's way at once."""
_ONE_WORKER = "dataloader[num_workers=1,persistent_workers=false]"
_LEAST_VALUES = 3
"""Different ones that the integers of a field must have: what is 0 or 1 is a number to many losses."""
_MOST = 1 << 63
"""What no tensor of integers holds."""
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


def integers_of(samples: Any) -> Mapping[str, Sequence[int]]:
    """Read what single integers the samples of a batch hold beside other things, by where: labels, indices, lengths."""
    if not isinstance(samples, Sequence) or not samples:
        return {}
    fields = [dict(_fields(sample)) for sample in samples]
    columns = {name: [field.get(name) for field in fields] for name in fields[0]}
    known = {name: [value for value in values if value is not None] for name, values in columns.items()}
    return {name: values for name, values in known.items() if len(values) == len(fields)}


def _fields(sample: Any) -> Iterator[tuple[str, int | None]]:
    """Yield what a sample holds by place, with its value where that is one integer."""
    if isinstance(sample, Mapping):
        yield from ((f"[{key!r}]", _integer(value)) for key, value in sample.items())
    elif isinstance(sample, tuple | list) and len(sample) > 1:
        yield from ((f"[{place}]", _integer(value)) for place, value in enumerate(sample))


def _integer(value: Any) -> int | None:
    if isinstance(value, bool | np.bool_):
        return None
    if isinstance(value, int | np.integer):
        return int(value) if abs(int(value)) < _MOST else None
    if isinstance(value, torch.Tensor) and value.ndim == 0 and not value.is_floating_point():
        return None if value.dtype == torch.bool or value.is_complex() else int(value)
    return None


def demand_integers_kept(integers: Mapping[str, Sequence[int]], batch: Any) -> str:
    """Compare the integers of samples with the batch that was made of them; name those that are floats in it.

    Of what is 0 or 1 alone, a number to many losses, nothing is said.

    Raises:
        ContractError: the floats of a field are not those integers any more, and nothing else in the batch holds them.
    """
    held = [values for values in map(_numbers, _lists(batch)) if values is not None]
    as_floats: list[str] = []
    for field, wanted in integers.items():
        if len(set(wanted)) < _LEAST_VALUES or any(
            _is_same(wanted, values) for values in held if not _is_float(values)
        ):
            continue
        floats = next((values for values in held if _is_float(values) and _is_same(wanted, values)), None)
        if floats is None:
            continue
        kind = str(floats.dtype).removeprefix("torch.")
        if floats.tolist() != list(wanted):
            alike = "" if len(set(floats.tolist())) == len(set(wanted)) else ", and some are no longer told apart"
            raise ContractError(
                f"WRONG DATA: the integers at {field} of the samples are others as {kind} in their batch{alike}:"
                " have collate_fn keep them, or the data set give floats where numbers are meant"
            )
        as_floats.append(f"{field} as {kind}")
    return ", ".join(as_floats)


def _lists(batch: Any) -> Iterator[Any]:
    """Yield the tensors, arrays and lists of numbers of a batch."""
    if isinstance(batch, Mapping):
        for value in batch.values():
            yield from _lists(value)
    elif isinstance(batch, list | tuple) and not all(isinstance(value, int | float) for value in batch):
        for value in batch:
            yield from _lists(value)
    else:
        yield batch


def _numbers(value: Any) -> torch.Tensor | None:
    """Give the numbers of a batch's leaf, one after the other; None: it has none."""
    if isinstance(value, torch.Tensor):
        return None if value.is_complex() else value.detach().cpu().flatten()
    if (isinstance(value, list | tuple) and value) or (isinstance(value, np.ndarray) and value.dtype.kind in "iuf"):
        return torch.as_tensor(value).flatten()
    return None


def _is_float(values: torch.Tensor) -> bool:
    return values.is_floating_point()


def _is_same(wanted: Sequence[int], values: torch.Tensor) -> bool:
    """Whether numbers are those integers, as far as their dtype can hold them."""
    return len(values) == len(wanted) and torch.equal(torch.tensor(wanted).to(values.dtype), values)

"""The loader of a script rebuilt: with other settings, or with threads in place of processes, over the same samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch.utils.data import DataLoader, IterableDataset
from torch.utils.data._utils.pin_memory import pin_memory

from feedrate.errors import UnavailableError
from feedrate.loading.prefetch import ahead
from feedrate.records.cell_key import split_spec

__all__ = ["ThreadedLoader", "fetcher", "rebuilt_loader", "sample_fetcher"]

_DEPTH = 2
"""Batches that each thread may have ready, as each worker of a DataLoader may."""
_WORDS = {"true": True, "false": False}


def rebuilt_loader(loader: Any, spec: str, batches: Iterable[Any] | None = None) -> Any:
    """Give a loader of the same data set, collate function and batches with the settings that `spec` names.

    `batches`: lists of indices in place of those that the script's sampler gives; None: the sampler's.

    Raises:
        UnavailableError: the script's loader is none of torch's, or its data set cannot be loaded so.
    """
    name, knobs = split_spec(spec)
    settings: dict[str, Any] = {
        key: _WORDS.get(text, int(text) if text.isdecimal() else text) for key, text in knobs.items()
    }
    if not isinstance(loader, DataLoader):
        raise UnavailableError(f"{spec}: the script's loader is no DataLoader of torch, and is measured as it is alone")
    if name == "threads":
        return ThreadedLoader(loader, int(settings.get("count", 2)), batches)
    workers = int(settings.pop("num_workers", loader.num_workers))
    common: dict[str, Any] = {
        "num_workers": workers,
        "collate_fn": loader.collate_fn,
        "pin_memory": loader.pin_memory,
        "worker_init_fn": loader.worker_init_fn,
        "timeout": loader.timeout if workers else 0,
        "multiprocessing_context": loader.multiprocessing_context if workers else None,
        "prefetch_factor": (loader.prefetch_factor or 2) if workers else None,
        "persistent_workers": loader.persistent_workers and workers > 0,
        **settings,
    }
    try:
        return DataLoader(loader.dataset, **_order(loader, batches), **common)
    except (TypeError, ValueError) as error:
        raise UnavailableError(f"{spec}: torch makes no such loader of the script's data set: {error}") from None


def _order(loader: DataLoader[Any], batches: Iterable[Any] | None) -> dict[str, Any]:
    """Which samples make which batch."""
    if isinstance(loader.dataset, IterableDataset):
        return {"batch_size": loader.batch_size, "drop_last": loader.drop_last}
    if loader.batch_sampler is None:
        return {"batch_size": None, "sampler": batches or loader.sampler}
    return {"batch_sampler": batches or loader.batch_sampler}


def fetcher(loader: DataLoader[Any]) -> Callable[[Any], Any]:
    """Give what makes a batch of a list of indices, in whichever thread calls it, as torch's own loader does."""
    fetch, collate = sample_fetcher(loader), loader.collate_fn
    return lambda indices: collate(fetch(indices))


def sample_fetcher(loader: DataLoader[Any]) -> Callable[[Any], Any]:
    """Give what fetches the samples of a list of indices, or the next ones of an iterable data set, before collating.

    That of an iterable data set is for one thread, leaves its argument alone, and raises StopIteration at the end.
    """
    data = loader.dataset
    if isinstance(data, IterableDataset):
        return _next_samples(loader)
    if loader.batch_sampler is None:
        return lambda index: data[index]
    many = getattr(data, "__getitems__", None)
    return many or (lambda indices: [data[index] for index in indices])


def _next_samples(loader: DataLoader[Any]) -> Callable[[Any], Any]:
    samples, size = iter(loader.dataset), loader.batch_size

    def fetch(order: Any) -> Any:
        del order
        if size is None:
            return next(samples)
        batch = list(islice(samples, size))
        if not batch or (loader.drop_last and len(batch) < size):
            raise StopIteration
        return batch

    return fetch


@dataclass
class ThreadedLoader:
    """Makes batches on threads of the process that trains, in the order of the script's sampler."""

    own: DataLoader[Any]
    count: int
    batches: Iterable[Any] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.own.dataset, IterableDataset):
            raise UnavailableError(f"threads[count={self.count}]: an iterable data set has no samples to be asked for")

    @property
    def batch_size(self) -> int | None:
        """Samples of a batch; None: the sampler says."""
        return self.own.batch_size

    @property
    def ahead_batches(self) -> int:
        """Batches that may have been made before they are asked for."""
        return self.count * _DEPTH

    def __len__(self) -> int:
        return len(self.own)

    def __iter__(self) -> Iterator[Any]:
        own, fetch = self.own, fetcher(self.own)
        order = self.batches or own.batch_sampler or own.sampler
        # Each thread is one core's worth of work: torch's own pool on top of it would only take the step's cores.
        with ThreadPoolExecutor(self.count, "feedrate-threads", torch.set_num_threads, (1,)) as pool:
            jobs = (pool.submit(fetch, indices) for indices in order)
            try:
                for job in ahead(lambda job: job, jobs, self.ahead_batches):
                    batch = job.result()
                    yield pin_memory(batch) if own.pin_memory else batch
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

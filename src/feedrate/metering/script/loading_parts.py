"""Make batches of a script's data set in the process that trains, part by part, after every timed window."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice, repeat
from typing import Any

import torch
from torch.utils.data import DataLoader, IterableDataset
from torch.utils.data._utils.pin_memory import pin_memory

from feedrate.errors import ContractError, one_line
from feedrate.metering.script.batches import bytes_of, copied, samples_of
from feedrate.metering.script.data_check import demand_integers_kept, integers_of
from feedrate.metering.script.fetching import Fetcher, order_of
from feedrate.records.digits import significant
from feedrate.records.loading_times import LoadingTimes, PartTimes
from feedrate.system.stopwatch import now_s, process_core_s

__all__ = ["loading_times"]

_MOST_BATCHES, _LEAST_BATCHES = 64, 2
"""That are fetched, beside a first one that is not timed."""
_LONG_S = 1.0
"""Of the first batch: it counts, for nobody waits for many more."""
_KEPT_BATCHES = 4
"""Of those fetched, that workers hand over again and again."""
_HANDED_OVER, _LEAST_HANDED_OVER = 200, 16
"""Batches that are handed over, timed."""
_READY_BYTES = 256 << 20
"""Of all batches that workers have ready before they begin: each is handed over once, as it is made once."""
_DIGITS = 4


def loading_times(loader: Any, seconds: float) -> LoadingTimes:
    """Fetch and collate batches of the script's own sampler for so many seconds, and look at the first one's integers.

    The data set is asked in this process, of which no worker may be forked any more by the script.

    Raises:
        ContractError: integers of the samples came to be floats that cannot hold them.
    """
    if not isinstance(loader, DataLoader):
        return LoadingTimes(absent="its batches come from no DataLoader of torch")
    threads = torch.get_num_threads()
    if loader.num_workers:
        # As in a worker.
        torch.set_num_threads(1)
    try:
        return _times(loader, seconds)
    except ContractError:
        raise
    # Whatever a data set raises that expects to be asked by a worker.
    except Exception as error:
        return LoadingTimes(absent=f"the process that trains cannot fetch: {one_line(error)}")
    finally:
        torch.set_num_threads(threads)


def _times(loader: DataLoader[Any], seconds: float) -> LoadingTimes:
    bench = _Bench(loader)
    kept, samples, start = list[Any](), 0, now_s()
    for number, order in enumerate(islice(_orders(loader), _MOST_BATCHES + 1)):
        begin = now_s()
        try:
            batch = bench.batch(order)
        except StopIteration:
            break
        took_s = now_s() - begin
        kept = [*kept[: _KEPT_BATCHES - 1], batch]
        if number == 0 and took_s < _LONG_S:
            # Files are opened, and caches filled.
            bench.forget()
            start = now_s()
            continue
        samples += max(1, samples_of(batch))
        if took_s > _LONG_S or (bench.batches >= _LEAST_BATCHES and now_s() - start > seconds):
            break
    if not bench.batches:
        return LoadingTimes(absent="an epoch has one batch")
    try:
        hand_over_s = _handed_over_s(loader, kept, seconds)
    # Whatever a batch raises that cannot be copied, or handed on as it is: that stays in what nobody explains.
    except Exception:
        hand_over_s = ()
    as_floats = bench.integers_as_floats
    return LoadingTimes(samples, *bench.times(), hand_over_s=hand_over_s, integers_as_floats=as_floats)


def _orders(loader: DataLoader[Any]) -> Iterator[Any]:
    """Yield what the script's own sampler asks for; of an iterable data set, nothing."""
    if isinstance(loader.dataset, IterableDataset):
        return repeat(None)
    return iter(order_of(loader))


def _next_samples(loader: DataLoader[Any]) -> Callable[[Any], Any]:
    """Give what fetches the next samples of an iterable data set whatever it is asked for; at its end StopIteration."""
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


class _Bench:
    """Makes batches of a loader's data set, and times each part of that."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        iterable = isinstance(loader.dataset, IterableDataset)
        self._fetch = _next_samples(loader) if iterable else Fetcher.of(loader).samples
        self._collate = loader.collate_fn
        self._pins = loader.pin_memory and torch.cuda.is_available()
        self._is_checked = not self._has_lists(loader)
        self.integers_as_floats = ""
        self.forget()

    @staticmethod
    def _has_lists(loader: DataLoader[Any]) -> bool:
        """Whether collating is of a list of samples."""
        return loader.batch_sampler is not None or loader.batch_size is not None

    def forget(self) -> None:
        """Begin to time anew."""
        self._fetching, self._collating, self._pinning = _PartClock(), _PartClock(), _PartClock()

    def batch(self, order: Any) -> Any:
        """Give a batch of what the sampler asks for; raises StopIteration where there is none left."""
        samples = self._fetching.timed(self._fetch, order)
        # A collate function may take its samples to pieces.
        integers = {} if self._is_checked else integers_of(samples)
        batch = self._collating.timed(self._collate, samples)
        if not self._is_checked:
            self._is_checked = True
            self.integers_as_floats = demand_integers_kept(integers, batch)
        return self._pinning.timed(pin_memory, batch) if self._pins else batch

    @property
    def batches(self) -> int:
        return len(self._collating.s)

    def times(self) -> tuple[PartTimes, PartTimes, PartTimes | None]:
        """Give what fetching, collating and page-locking took."""
        return self._fetching.times, self._collating.times, self._pinning.times if self._pins else None


@dataclass
class _PartClock:
    """Time one part of loading, batch by batch."""

    s: list[float] = field(default_factory=list)
    core_s: list[float] = field(default_factory=list)

    def timed(self, work: Callable[[Any], Any], subject: Any) -> Any:
        start, start_core = now_s(), process_core_s()
        result = work(subject)
        self.s.append(significant(now_s() - start, _DIGITS))
        self.core_s.append(significant(process_core_s() - start_core, _DIGITS))
        return result

    @property
    def times(self) -> PartTimes:
        return PartTimes(tuple(self.s), tuple(self.core_s))


def _handed_over_s(loader: DataLoader[Any], kept: Sequence[Any], seconds: float) -> tuple[float, ...]:
    """Time as many workers as the script has while they hand over batches that are ready."""
    if not loader.num_workers or _start_method(loader) != "fork":
        return ()
    ahead = loader.num_workers * (loader.prefetch_factor or 2)
    copies = list(_copies(kept, ahead + _HANDED_OVER, seconds))
    if len(copies) < ahead + _LEAST_HANDED_OVER:
        return ()
    ready: DataLoader[Any] = DataLoader(
        copies,  # type: ignore[arg-type] # a list is a data set
        batch_size=None,
        num_workers=loader.num_workers,
        prefetch_factor=loader.prefetch_factor,
        multiprocessing_context="fork",
    )
    batches = iter(ready)
    for _ in range(ahead):
        next(batches)
    spent_s, start, before = list[float](), now_s(), now_s()
    for _ in batches:
        now = now_s()
        spent_s.append(significant(now - before, _DIGITS))
        before = now
        if now - start > seconds:
            break
    return tuple(spent_s)


def _copies(kept: Sequence[Any], count: int, seconds: float) -> Iterator[Any]:
    """Yield copies of batches, as many as there is room and time for, but no more than `count`."""
    start = now_s()
    for batch in islice(cycle(kept), min(count, _READY_BYTES // max(1, max(map(bytes_of, kept))))):
        yield copied(batch)
        if now_s() - start > seconds:
            return


def _start_method(loader: DataLoader[Any]) -> str:
    context: Any = loader.multiprocessing_context
    return str(context.get_start_method() if context is not None else multiprocessing.get_start_method())

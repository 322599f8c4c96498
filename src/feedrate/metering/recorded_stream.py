"""A stream while it is measured: what came is counted, and which rows they were is remembered."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Generator
from typing import TYPE_CHECKING

import numpy as np
import torch

from feedrate.errors import ContractError
from feedrate.metering.pace_log import PaceLog
from feedrate.system.stopwatch import now_s, process_core_s

if TYPE_CHECKING:
    from torch import Tensor

    from feedrate.loading.batch import Batch

__all__ = ["RecordedStream", "WaitedStream"]


class RecordedStream:
    """A stream whose batches are counted and whose row ids are kept, for the check that follows the timing."""

    def __init__(self, stream: Generator[Batch, None, None]) -> None:
        self._stream = stream
        # One piece of memory: a small tensor a batch would lie between the batches and keep the heap from reusing them.
        self._rows = array("q")
        self._sizes: list[int] = []
        self.waited_s: float | None = None
        """Seconds that all batches so far were waited for; None: nobody counts."""
        self.drain_log = PaceLog(process_core_s, least_batches=2)
        """What `drain` took, by number of the batch; of single batches nothing: they lay ready."""

    @property
    def taken(self) -> int:
        """Batches so far."""
        return len(self._sizes)

    @property
    def mean_samples(self) -> float:
        """Samples of a batch so far."""
        return len(self._rows) / len(self._sizes)

    @property
    def kept_bytes(self) -> int:
        """What the ids of all rows so far take: it grows with every epoch, and is no leak of a loader."""
        return len(self._rows) * self._rows.itemsize + sys.getsizeof(self._sizes)

    @property
    def ids(self) -> tuple[Tensor, ...]:
        """The row ids of each batch so far."""
        rows = torch.from_numpy(np.array(self._rows, np.int64))
        return tuple(rows.split(self._sizes))

    def take(self) -> Batch:
        """The next batch.

        Raises:
            ContractError: there is none: no plan that is measured has an end that anybody reaches.
        """
        batch = next(self._stream, None)
        if batch is None:
            raise ContractError(f"the stream ends after {self.taken} batches, long before its plan")
        # A copy: the ids may lie in a buffer that returns to the loader with the batch.
        rows = batch.ids.numpy()
        self._rows.frombytes(rows.tobytes())
        self._sizes.append(rows.size)
        return batch

    def drain(self, batches: int) -> int:
        """Take that many batches and drop them; returns the samples in them."""
        before = self.taken
        with self.drain_log.noted(before, batches):
            for _ in range(batches):
                self.take()
        return sum(self._sizes[before:])


class WaitedStream(RecordedStream):
    """The same of a rank, which tells waiting for its loader from waiting for other ranks."""

    def __init__(self, stream: Generator[Batch, None, None]) -> None:
        super().__init__(stream)
        self._waited_s = self.waited_s = 0.0

    def take(self) -> Batch:
        """The next batch; raises like any."""
        start = now_s()
        batch = super().take()
        self._waited_s += now_s() - start
        self.waited_s = self._waited_s
        return batch

"""Cut a run of stored rows, which one read brings in, into batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.random.bit_generator import ISeedSequence

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import DTypeLike, NDArray

__all__ = ["Block", "permuted"]


@dataclass(frozen=True)
class Block:
    """A run of stored rows that one read brings in, and the batches cut from it."""

    start: int
    stop: int
    """Rows `start` to `stop` are read."""
    spans: tuple[tuple[int, int], ...]
    """Rows that are samples; the others are history that windows reach back into."""
    batch_rows: int | None = None
    """Samples in a batch; the last of a block may hold fewer. None: one span, one batch."""
    key: tuple[int, int, int] | None = None
    """(seed, epoch, number of the block), which the order follows from; None: as stored."""
    number: int = 0
    """Place among the blocks in the order of the files; an order sets it."""

    @classmethod
    def of_rows(cls, rows: Sequence[int]) -> Block:
        """Give a block that is one batch of these rows, in that order, and reads no other."""
        numbers = np.array(rows, np.int64)
        ends = np.flatnonzero(np.diff(numbers) != 1)
        starts, stops = numbers[[0, *(ends + 1)]], numbers[[*ends, -1]] + 1
        spans = tuple(zip(starts.tolist(), stops.tolist(), strict=True))
        return cls(int(numbers.min()), int(numbers.max()) + 1, spans, len(numbers))

    @property
    def samples(self) -> int:
        """Samples in the block."""
        return sum(stop - start for start, stop in self.spans)

    @property
    def batch_count(self) -> int:
        """Batches that `batches` yields."""
        return len(self.spans) if self.batch_rows is None else -(-self.samples // self.batch_rows)

    @property
    def max_batch_rows(self) -> int:
        """Samples in the largest batch."""
        if self.batch_rows is None:
            return max(stop - start for start, stop in self.spans)
        return min(self.batch_rows, self.samples)

    @property
    def min_batch_rows(self) -> int:
        """Samples in the smallest batch."""
        if self.batch_rows is None:
            return min(stop - start for start, stop in self.spans)
        return self.samples % self.batch_rows or self.batch_rows

    def batches(self) -> Iterator[torch.Tensor]:
        """Yield, for each batch, int64 (B,): positions of its samples among the rows read."""
        positions, lengths = self.positions()
        yield from torch.split(torch.from_numpy(positions), lengths)

    def positions(self) -> tuple[NDArray[np.int64], list[int]]:
        """Give the positions of all samples, int64 (samples,), batch after batch, and the samples of each batch."""
        if self.batch_rows is not None:
            rows = self._rows(np.array(self.spans, np.int64))
            full, rest = divmod(len(rows), self.batch_rows)
            return self._shuffled(rows), [self.batch_rows] * full + [rest] * (rest > 0)
        spans = np.array(self.spans, np.int64)[self._shuffled(np.arange(len(self.spans)))]
        return self._rows(spans), (spans[:, 1] - spans[:, 0]).tolist()

    def _rows(self, spans: NDArray[np.int64]) -> NDArray[np.int64]:
        """Positions of the samples of `spans`, int64 (spans, 2), one after the other."""
        if len(spans) == 1:
            return np.arange(spans[0, 0] - self.start, spans[0, 1] - self.start)
        starts, stops = spans.T
        lengths = stops - starts
        # One range over all samples, moved to where each span begins.
        ends = np.cumsum(lengths)
        positions: NDArray[np.int64] = np.arange(ends[-1]) + np.repeat(starts - self.start - ends + lengths, lengths)
        return positions

    def ids(self) -> Iterator[torch.Tensor]:
        """Yield, for each batch, int64 (B,): numbers of the rows that its samples are."""
        for rows in self.batches():
            yield rows + self.start

    def _shuffled(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return rows if self.key is None else permuted(rows, *self.key)


def permuted(values: NDArray[np.int64], seed: int, epoch: int, number: int) -> NDArray[np.int64]:
    """Shuffle a copy of `values` in an order that follows from (seed, epoch, number) alone; `number` is below 2**32."""
    # numpy takes every ISeedSequence, as its documentation says; its annotations know only one.
    bits = np.random.Philox(_Key(seed, epoch << 32 | number))  # type: ignore[arg-type]
    return np.random.Generator(bits).permutation(values)


class _Key(ISeedSequence):
    """Gives Philox its key, as its argument `key` does.

    With `key`, numpy asks the system for entropy as well and leaves it unused, which takes as long as the shuffle of a
    small block.
    """

    def __init__(self, seed: int, number: int) -> None:
        self._words = (seed, number)

    def generate_state(self, n_words: int, dtype: DTypeLike = np.uint64) -> NDArray[np.uint64]:
        """Give the two words of the key."""
        del n_words, dtype
        return np.array(self._words, np.uint64)

"""Cut a run of stored rows, which one read brings in, into batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.random.bit_generator import ISeedSequence

from feedrate.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import torch
    from numpy.typing import DTypeLike, NDArray

__all__ = ["Block", "permuted", "with_batches"]


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
    drop_last: bool = False
    """A batch of fewer than `batch_rows` samples is not made: which samples that leaves out, the order says."""

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
        """Samples in the batches of the block."""
        return self.batch_count * self.batch_rows if self.drop_last and self.batch_rows else self._rows_there

    @property
    def batch_count(self) -> int:
        """Batches that `batches` yields."""
        if self.batch_rows is None:
            return len(self.spans)
        return self._rows_there // self.batch_rows if self.drop_last else -(-self._rows_there // self.batch_rows)

    @property
    def _rows_there(self) -> int:
        """Rows that may be samples."""
        return sum(stop - start for start, stop in self.spans)

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
        import torch

        positions, lengths = self.positions()
        yield from torch.split(torch.from_numpy(positions), lengths)

    def positions(self) -> tuple[NDArray[np.int64], list[int]]:
        """Give the positions of all samples, int64 (samples,), batch after batch, and the samples of each batch."""
        if self.batch_rows is not None:
            rows = self._shuffled(self._rows(np.array(self.spans, np.int64)))[: self.samples]
            full, rest = divmod(len(rows), self.batch_rows)
            return rows, [self.batch_rows] * full + [rest] * (rest > 0)
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


def with_batches(blocks: Iterable[Block]) -> tuple[Block, ...]:
    """Leave out blocks of which no batch is made, as they have too few samples for one.

    Raises:
        UsageError: there is no other.
    """
    there = tuple(blocks)
    left = tuple(block for block in there if block.batch_count)
    if not left:
        most = max((block.stop - block.start for block in there), default=0)
        raise UsageError(
            f"drop_last leaves no batch: a batch never crosses a block, and the largest block has {most:,} rows;"
            " have smaller batches"
        )
    return left


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

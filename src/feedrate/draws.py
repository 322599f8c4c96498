"""Random numbers that are a pure function of (seed, stream, row)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Draws"]

_WORDS_PER_COUNT = 4  # Philox 4x64 makes four 64-bit words for each value of its counter.


@dataclass(frozen=True)
class Draws:
    """`words` 64-bit words a row from Philox 4x64, a counter-based generator: any row can be recomputed alone.

    Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011; numpy's `Philox`.
    """

    seed: int
    stream: int
    """Tells the uses of one seed apart: two streams share no number."""
    words: int

    def uint64(self, start: int, stop: int) -> NDArray[np.uint64]:
        """uint64 (stop - start, words), for rows `start` to `stop`."""
        counts = -(-self.words // _WORDS_PER_COUNT)
        philox = np.random.Philox(key=[self.seed, self.stream], counter=[start * counts, 0, 0, 0])  # type: ignore[arg-type]
        raw = philox.random_raw((stop - start) * counts * _WORDS_PER_COUNT)
        return np.asarray(raw, dtype=np.uint64).reshape(stop - start, -1)[:, : self.words]

    def bytes(self, start: int, stop: int) -> NDArray[np.uint8]:
        """uint8 (stop - start, 8 * words)."""
        return np.ascontiguousarray(self.uint64(start, stop)).view(np.uint8)

    def uniform(self, start: int, stop: int) -> NDArray[np.float32]:
        """float32 (stop - start, 2 * words) in [0, 1), with 24 random bits each."""
        raw = np.ascontiguousarray(self.uint64(start, stop)).view(np.uint32)
        return (raw >> 8).astype(np.float32) * np.float32(2.0**-24)

    def normal(self, start: int, stop: int) -> NDArray[np.float32]:
        """float32 (stop - start, words), mean 0 and variance 1: the sum of four uniforms (Irwin-Hall)."""
        raw = np.ascontiguousarray(self.uint64(start, stop)).view(np.uint16)
        quads: NDArray[Any] = raw.reshape(stop - start, self.words, 4)
        total = quads[..., 0].astype(np.float32)
        for part in range(1, 4):
            total += quads[..., part]
        return (total - np.float32(2 * 65535)) * np.float32(1 / (65536 * (4 / 12) ** 0.5))

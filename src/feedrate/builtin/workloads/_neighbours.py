"""The correlation graph of a day, as the generator stores it: whoever computes it gets the same neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["NEIGHBOURS", "day_neighbours"]

NEIGHBOURS = 20
"""Neighbours of each stock, itself the first."""


def day_neighbours(history: NDArray[np.float32], stocks: int) -> NDArray[np.int32]:
    """Find, int32 (stocks, 20), places of the most correlated stocks of the day; its own place where there are fewer.

    `history`: float32 (T, n), returns of the first n stocks; the others have no full history and only themselves.
    """
    graph = np.repeat(np.arange(stocks, dtype=np.int32)[:, None], NEIGHBOURS, axis=1)
    days, known = history.shape
    if known < 2:
        return graph
    # Small integers: their products and sums are exact in float32, in whatever order a matrix library adds them.
    whole = np.clip(np.rint(history * 32), -127, 127)
    sums = whole.sum(axis=0)
    covariance = days * (whole.T @ whole) - sums[:, None] * sums
    scale = np.sqrt(np.maximum(covariance.diagonal(), 1))
    correlation = covariance / (scale[:, None] * scale)
    np.fill_diagonal(correlation, np.inf)
    count = min(NEIGHBOURS, known)
    nearest = np.argpartition(-correlation, count - 1, axis=1)[:, :count] if count < known else _everyone(known)
    graph[:known, :count] = np.sort(nearest, axis=1)
    return graph


def _everyone(known: int) -> NDArray[np.int64]:
    return np.repeat(np.arange(known)[None], known, axis=0)

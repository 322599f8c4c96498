"""Ask a map-style data set for a sample by an index that knows its epoch, so that chance can be repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.random import Generator

__all__ = ["SampleIndex", "sample_generator"]


class SampleIndex(int):
    """The index of a sample, an `int` in all respects, in an epoch of an order; whoever fetches may ask for those."""

    epoch: int
    """In which the sample is asked for; 0 where the order is the same in each."""
    seed: int
    """What the order follows from."""

    def __new__(cls, index: int, epoch: int = 0, seed: int = 0) -> SampleIndex:
        """Make one; a plain `int` stands for the sample in epoch 0."""
        made = super().__new__(cls, index)
        made.epoch, made.seed = epoch, seed
        return made


def sample_generator(index: int) -> Generator:
    """Give random numbers that follow from (seed, epoch, index) alone, in whichever process and thread it is called.

    What a data set draws in `__getitem__` it must draw from here, or no two loaders serve the same samples.
    """
    epoch, seed = (index.epoch, index.seed) if isinstance(index, SampleIndex) else (0, 0)
    return np.random.default_rng((seed, epoch, int(index)))

"""Tell how far the rows that a stream served came from their places in the files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from feedrate.records.digits import significant
from feedrate.records.shuffle import Shuffle

if TYPE_CHECKING:
    from torch import Tensor

    from feedrate.loading.plan import Plan

__all__ = ["shuffle_of"]

_LEAST_ROWS = 16
_DIGITS = 3


def shuffle_of(plan: Plan, ids: Sequence[Tensor]) -> Shuffle | None:
    """Look at the first epoch of a stream whose batches had these row ids; None: too little of it was served.

    Places are counted among the rows that an epoch serves, so that history between them does not count.
    """
    first = next(iter(plan.epoch_numbers()))
    stored = torch.cat(list(plan.epoch_ids(first))).sort().values
    rows = torch.cat(list(ids))[: len(stored)]
    if len(rows) < _LEAST_ROWS:
        return None
    places = torch.searchsorted(stored, rows).double()
    moved = (places - torch.arange(len(rows), dtype=torch.float64)).abs().mean() / len(stored)
    neighbours = torch.corrcoef(torch.stack([places[:-1], places[1:]]))[0, 1]
    return Shuffle(significant(float(moved), _DIGITS), significant(float(neighbours), _DIGITS))

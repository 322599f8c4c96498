"""After a timed run: was every row that a stream served planned, and served once an epoch?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import torch

from feedrate.errors import ContractError

if TYPE_CHECKING:
    from torch import Tensor

    from feedrate.loading.plan import Plan
    from feedrate.plugin.loader import Loader

__all__ = ["demand_planned"]


def demand_planned(loader: Loader, plan: Plan, ids: Sequence[Tensor]) -> None:
    """Compare the row ids of the batches that a stream served, in order, with the plan; it may have been left early.

    Raises:
        ContractError: a batch out of order, a row that was served twice in an epoch, or one that was not planned.
    """
    if loader.synthetic:
        return
    if loader.promised == "order":
        _demand_order(loader, plan, ids)
        return
    epochs = _epochs_of_rows if loader.promised == "rows" else _epochs
    for epoch, (planned, served, whole) in enumerate(epochs(plan, ids)):
        _demand_once(loader, epoch, planned, served)
        missing = planned[~torch.isin(planned, served)]
        if whole and len(missing):
            raise ContractError(f"{loader}: epoch {epoch} never serves row {int(missing[0])} ({len(missing)} rows)")


def _demand_order(loader: Loader, plan: Plan, ids: Sequence[Tensor]) -> None:
    for number, (planned, served) in enumerate(zip(plan, ids, strict=False)):
        if not torch.equal(planned, served):
            raise ContractError(f"{loader}: batch {number} does not hold the rows that the plan gives it")


def _epochs(plan: Plan, ids: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor, bool]]:
    """Yield the planned and the served rows of each epoch, and whether it was served to its end."""
    waiting = iter(ids)
    for epoch in plan.epoch_numbers():
        planned = list(plan.epoch_ids(epoch))
        served = list(islice(waiting, len(planned)))
        if not served:
            return
        yield torch.cat(planned), torch.cat(served), len(served) == len(planned)


def _epochs_of_rows(plan: Plan, ids: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor, bool]]:
    """Yield the same where epochs end with as many rows as planned, in whichever batch that is."""
    rows, start = torch.cat([*ids, torch.empty(0, dtype=torch.int64)]), 0
    for epoch in plan.epoch_numbers():
        planned = torch.cat(list(plan.epoch_ids(epoch)))
        served = rows[start : start + len(planned)]
        if not len(served):
            return
        yield planned, served, len(served) == len(planned)
        start += len(planned)


def _demand_once(loader: Loader, epoch: int, planned: Tensor, served: Tensor) -> None:
    rows, times = served.unique(return_counts=True)
    doubled = rows[times > 1]
    if len(doubled):
        raise ContractError(
            f"{loader}: epoch {epoch} serves row {int(doubled[0])} more than once ({len(doubled)} rows)"
        )
    strange = rows[~torch.isin(rows, planned)]
    if len(strange):
        raise ContractError(f"{loader}: epoch {epoch} serves row {int(strange[0])}, which is not in the plan")

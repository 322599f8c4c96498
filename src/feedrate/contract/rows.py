"""Check which rows come, in which order, cut into which batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise

import torch
from torch import Tensor

from feedrate.contract.fixture import Fixture
from feedrate.contract.promise import promise_if
from feedrate.errors import ContractError
from feedrate.loading.batch import Batch
from feedrate.loading.plan import Plan
from feedrate.plugin.loader import Loader

__all__ = [
    "cuts_batches_of_its_own",
    "cuts_the_planned_batches",
    "keeps_the_planned_order",
    "serves_each_row_once",
    "serves_planned_batches",
    "serves_rows",
]


def serves_rows(loader: Loader) -> bool:
    """Tell whether a loader reads its rows from files; a synthetic one serves the same few batches again and again."""
    return not loader.synthetic


@promise_if(serves_rows)
def serves_each_row_once(loader: Loader, fixture: Fixture) -> None:
    """Every epoch holds every row of the plan, once."""
    by_rows = loader.promised == "rows"
    for epoch, (wanted, served_rows) in enumerate(
        _epochs(fixture.plan, fixture.served(loader).copies, by_rows=by_rows)
    ):
        counts = Counter(served_rows.tolist())
        planned = set(wanted.tolist())
        wrong = sorted(row for row in planned | set(counts) if counts[row] != (row in planned))
        if wrong:
            row = wrong[0]
            instead = "once" if row in planned else "never"
            raise ContractError(
                f"{loader}: epoch {epoch} serves row {row} {counts[row]} times instead of {instead}"
                f" ({len(wrong)} such rows of {len(planned)})"
            )


def serves_planned_batches(loader: Loader) -> bool:
    """Tell whether a loader reads its rows from files and serves them in the planned batches."""
    return serves_rows(loader) and loader.promised != "rows"


def _serves_own_batches(loader: Loader) -> bool:
    return serves_rows(loader) and loader.promised == "rows"


@promise_if(serves_planned_batches)
def keeps_the_planned_order(loader: Loader, fixture: Fixture) -> None:
    """Rows come in the planned order; of a loader that serves `batches`, those of each batch do."""
    batches = fixture.served(loader).copies
    for epoch, (wanted, served_rows) in enumerate(_epochs(fixture.plan, batches)):
        planned, served = _comparable(wanted, served_rows)
        if loader.promised == "batches":
            served = _rearranged(served, list(fixture.plan.epoch_ids(epoch)))
        differs = (planned != served).nonzero().flatten()
        if len(differs):
            at = int(differs[0])
            raise ContractError(
                f"{loader}: epoch {epoch} serves row {int(served[at])} where row {int(planned[at])} is planned"
                f" ({len(differs)} such places of {len(planned)})"
            )


@promise_if(serves_planned_batches)
def cuts_the_planned_batches(loader: Loader, fixture: Fixture) -> None:
    """There are `len(plan)` batches, and each starts with a row that a planned batch starts with."""
    batches = fixture.served(loader).copies
    if len(batches) != len(fixture.plan):
        raise ContractError(f"{loader}: serves {len(batches)} batches instead of {len(fixture.plan)}")
    wanted = Counter(int(ids[0]) for ids in fixture.plan)
    starts = Counter(int(batch.ids[0]) for batch in batches if len(batch))
    wrong = sorted((starts - wanted).elements())
    if wrong:
        raise ContractError(
            f"{loader}: a batch starts with row {wrong[0]}, where none is planned to"
            f" ({len(wrong)} such batches of {len(batches)})"
        )


@promise_if(_serves_own_batches)
def cuts_batches_of_its_own(loader: Loader, fixture: Fixture) -> None:
    """No batch is empty, and none is larger than the plan's largest."""
    most = fixture.plan.max_batch_rows
    for number, batch in enumerate(fixture.served(loader).copies):
        if not 0 < len(batch) <= most:
            raise ContractError(f"{loader}: batch {number} has {len(batch)} rows, and the plan's largest has {most}")


def _epochs(plan: Plan, batches: Sequence[Batch], *, by_rows: bool = False) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield, for each epoch, the planned rows and the served ones, both int64 (R,).

    `by_rows`: an epoch ends where as many rows have come as planned, whatever batches they came in.
    """
    planned = [list(plan.epoch_ids(epoch)) for epoch in plan.epoch_numbers()]
    wanted = [torch.cat(ids) for ids in planned]
    served = [batch.ids for batch in batches]
    # Epochs end where as many batches have come as planned; were they cut otherwise, where as many rows have.
    if not by_rows and len(served) == sum(map(len, planned)):
        served_rows = [torch.cat(served[low:high]) for low, high in _ranges(map(len, planned))]
    else:
        rows = torch.cat([*served, torch.empty(0, dtype=torch.int64)])
        served_rows = [rows[low:high] for low, high in _ranges(map(len, wanted))]
        served_rows[-1] = torch.cat([served_rows[-1], rows[sum(map(len, wanted)) :]])
    yield from zip(wanted, served_rows, strict=True)


def _ranges(counts: Iterable[int]) -> Iterator[tuple[int, int]]:
    return pairwise(accumulate(counts, initial=0))


def _comparable(wanted: Tensor, served_rows: Tensor) -> tuple[Tensor, Tensor]:
    """Both without the rows that are missing, doubled or strange: those break another promise, not the order."""
    counts = Counter(served_rows.tolist())
    planned = set(wanted.tolist())
    once = {row for row in planned if counts[row] == 1}
    return _only(wanted, once), _only(served_rows, once)


def _only(rows: Tensor, kept: set[int]) -> Tensor:
    return torch.tensor([row for row in rows.tolist() if row in kept], dtype=torch.int64)


def _rearranged(served: Tensor, planned: Sequence[Tensor]) -> Tensor:
    """`served` with its batches in the planned order, the rows of each as they came."""
    home = {row: number for number, ids in enumerate(planned) for row in ids.tolist()}
    return torch.tensor(sorted(served.tolist(), key=home.__getitem__), dtype=torch.int64)

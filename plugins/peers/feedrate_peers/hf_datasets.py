"""Fetch rows from a mapped Arrow stream with Hugging Face datasets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from feedrate import DataError, Loader, LoaderTraits, UnavailableError, knob, package
from feedrate_peers import _arrow

if TYPE_CHECKING:
    from pathlib import Path

    from feedrate import Plan, Stream

__all__ = ["HfDatasets"]

_FILE, _ID = "rows.arrow", "row_id"


@dataclass(frozen=True)
class HfDatasets(Loader):
    """Fetch the rows of each batch from a copy of its own, which the library maps into memory."""

    name = "hf_datasets"
    on_request = True
    needs = (package("datasets"),)
    shuffle: str = knob("plan", "own")
    """Whose order: the plan's, or that of the library's own `shuffle`, with batches of its own."""

    @property
    def serves(self) -> Any:  # type: ignore[override]  # a class variable elsewhere
        """The planned order, or rows in an order of the library's."""
        return "order" if self.shuffle == "plan" else "rows"

    def traits(self) -> LoaderTraits:
        """See `Loader`."""
        return LoaderTraits("caller")

    def prepare(self, plan: Plan, folder: Path) -> None:
        """Write the decoded columns."""
        if not plan.has_columns:
            raise UnavailableError(f"{self}: needs columns of rows, and these samples come from a data set's own code")
        _arrow.write(plan, folder / _FILE)

    def stream(self, plan: Plan) -> Stream:
        """See `Loader`."""
        from datasets import Dataset

        path = plan.own_copy / _FILE
        try:
            rows = Dataset.from_file(str(path))
        # The library tells of a damaged file in many ways.
        except Exception as error:
            raise DataError(f"{path}: cannot be opened ({type(error).__name__})") from error
        if len(rows) != plan.data.rows:
            raise DataError(f"{path}: holds {len(rows):,} rows instead of {plan.data.rows:,}")
        table = rows.with_format("arrow")
        for ids in plan if self.shuffle == "plan" else _own_order(plan, rows):
            touched = plan.touched(ids)
            yield plan.assembled(ids, touched, _arrow.tensors_of(plan, table[touched.tolist()]))


def _own_order(plan: Plan, rows: Any) -> Iterator[torch.Tensor]:
    """Yield the row ids of batches in the library's order: of samples alone, where other rows are their history."""
    for epoch in plan.epoch_numbers():
        samples = torch.cat(list(plan.epoch_ids(epoch))).tolist()
        # In memory: the library would leave files beside the copy otherwise.
        drawn = rows.select_columns([_ID]).select(samples, keep_in_memory=True)
        drawn = drawn.shuffle(seed=epoch, keep_in_memory=True).with_format("numpy")
        yield from torch.from_numpy(np.array(drawn[:][_ID], np.int64)).split(plan.max_batch_rows)

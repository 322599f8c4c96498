"""Write the decoded columns of a plan as an Arrow stream, and make tensors of tables of it again."""

from __future__ import annotations

import math
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from feedrate import Block

if TYPE_CHECKING:
    from pathlib import Path

    from feedrate import Field, Plan

__all__ = ["tensors_of", "write"]

_ROWS = 4_096
"""Of a record batch."""


def write(plan: Plan, path: Path) -> None:
    """Write all rows, decoded, by stored column; arrays of a row are fixed-size lists."""
    import pyarrow as pa

    fields = plan.stored_columns
    schema = pa.schema([(field.name, _arrow_type(field)) for field in fields])
    with (
        closing(plan.plain_source()) as source,
        pa.OSFile(str(path), "wb") as file,
        pa.ipc.new_stream(file, schema) as writer,
    ):
        for start in range(0, plan.data.rows, _ROWS):
            stop = min(start + _ROWS, plan.data.rows)
            tensors = source.read(Block(start, stop, ((start, stop),), stop - start)).tensors
            writer.write_batch(pa.record_batch([_flat(tensors[field.name], field) for field in fields], schema=schema))


def tensors_of(plan: Plan, table: Any) -> dict[str, torch.Tensor]:
    """Give the columns of a table of such rows, in memory of their own."""
    return {field.name: _tensor(table.column(field.name), field) for field in plan.stored_columns}


def _kind(field: Field) -> np.dtype[np.generic]:
    """Give what a column is stored as: bits of booleans could not be mapped, and torch gathers no uint64."""
    return np.dtype({"bool": "uint8", "uint64": "int64"}.get(field.stored, field.stored))


def _arrow_type(field: Field) -> Any:
    import pyarrow as pa

    value = pa.from_numpy_dtype(_kind(field))
    return pa.list_(value, math.prod(field.shape)) if field.shape else value


def _flat(tensor: torch.Tensor, field: Field) -> Any:
    import pyarrow as pa

    values = pa.array(tensor.contiguous().numpy().reshape(-1).view(_kind(field)))
    return pa.FixedSizeListArray.from_arrays(values, math.prod(field.shape)) if field.shape else values


def _tensor(column: Any, field: Field) -> torch.Tensor:
    import pyarrow as pa

    whole = pa.concat_arrays(column.chunks)
    values = np.array((whole.flatten() if field.shape else whole).to_numpy(zero_copy_only=False))
    return torch.from_numpy(values.view(bool if field.stored == "bool" else values.dtype).reshape(-1, *field.shape))

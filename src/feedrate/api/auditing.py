"""Read a whole data set, whatever its format, and say of each column what is missing, infinite or constant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING

from feedrate.data.audit import ColumnAudit, audited, stored_blocks
from feedrate.data.formats import OPAQUE
from feedrate.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from feedrate.data.dataset import DataSet
    from feedrate.plugin.registry import Registry

__all__ = ["audit"]


def audit(data: DataSet, registry: Registry) -> tuple[ColumnAudit, ...]:
    """Audit the columns of a data set, or, where only its workload reads the files, the tensors of its samples.

    It holds one block at a time: a record batch, row group or range of rows; or one batch of samples.

    Raises:
        DataError: a file is damaged, or a data set of samples was made from something else than its workload is now.
        UsageError: its workload is not offered here.
    """
    return audited(_sampled(data, registry) if data.format in OPAQUE else stored_blocks(data))


def _sampled(data: DataSet, registry: Registry) -> Iterator[Mapping[str, NDArray[np.generic]]]:
    """Yield the batches of an epoch, as the workload's own data set gives them."""
    try:
        workload, size = registry.workload(data.identity["workload"]), data.identity["size"]
    except KeyError as error:
        raise DataError(f"{data.folder}: its manifest says of no {error} whose samples they are") from None
    plan = workload.plan(workload.at(size).open(data.folder.parent), size)
    with closing(plan.plain_source()) as source:
        for block in plan.stored_blocks:
            columns = source.read(block)
            for rows in block.batches():
                yield {name: tensor.numpy() for name, tensor in columns.batch(rows).tensors.items()}

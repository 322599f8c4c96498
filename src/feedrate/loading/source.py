"""Read the blocks of a data set from its files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from feedrate.data.formats import Part, kept_files, rows_read
from feedrate.loading.column import ROW_ID

if TYPE_CHECKING:
    import torch

    from feedrate.data.dataset import DataSet
    from feedrate.loading.batch import Columns
    from feedrate.loading.batch_spec import BatchSpec
    from feedrate.loading.block import Block

__all__ = ["FileSource", "PlainSource", "Source"]


class Source(Protocol):
    """An opened data set."""

    def read(self, block: Block) -> Columns:
        """Read and decode the rows of a block.

        Raises:
            DataError: a file is missing, truncated or not what the manifest says; the text names the file.
        """


class PlainSource(Source, Protocol):
    """One that reads the data set itself."""

    def close(self) -> None:
        """Let go of all files; nobody may be reading."""


class FileSource:
    """Reads blocks from the data set's files; a read opens the files it needs, and closes them unless they are kept."""

    def __init__(self, data: DataSet, spec: BatchSpec) -> None:
        self._data, self._spec = data, spec
        self._kept = kept_files(data.format) if spec.keep_open else None
        self._options = {**data.storage, "decoder": spec.decoder}
        columns = spec.stored_columns(data)
        self._fields = columns if data.stores_ids else tuple(field for field in columns if field.name != ROW_ID)

    def read(self, block: Block) -> Columns:
        """See `Source`."""
        parts = [self._part(*place) for place in self._data.locate(block.start, block.stop)]
        columns = parts[0] if len(parts) == 1 else _joined(parts)
        if not self._data.stores_ids:
            columns |= _numbered(block)
        return self._spec.columns(columns, block)

    def close(self) -> None:
        """See `PlainSource`."""
        if self._kept is not None:
            self._kept.close()

    def _part(self, shard: int, start: int, stop: int) -> dict[str, torch.Tensor]:
        part = Part(self._data.path(shard), self._data.shards[shard].groups, start, stop)
        return rows_read(self._data.format, part, self._fields, self._options, self._kept)


def _numbered(block: Block) -> dict[str, torch.Tensor]:
    import torch

    return {ROW_ID: torch.arange(block.start, block.stop)}


def _joined(parts: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    import torch

    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

"""A data set in memory, as the bytes of its files and as decoded blocks."""

from __future__ import annotations

import hashlib
import shutil
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from feedrate.errors import DataError
from feedrate.formatting import byte_size
from feedrate.loading.decoded_blocks import DecodedBlocks
from feedrate.system import memory

if TYPE_CHECKING:
    from pathlib import Path

    from feedrate.data.dataset import DataSet
    from feedrate.loading.batch import Columns
    from feedrate.loading.block import Block
    from feedrate.loading.plan import Plan

__all__ = ["DataSetCache", "DecodedSource"]

_SHARE = 0.3
"""Of the free memory; the rest is for the loader and the step."""
_PART = 8 << 20


@dataclass(frozen=True)
class DataSetCache:
    """Files in a folder of a memory file system, which whoever made the folder removes.

    Files without a name (memfd_create(2)) would vanish by themselves with their last process, but HDF5 opens nothing
    that has no real path.
    """

    folder: Path
    decoded: DecodedBlocks | None
    """None: what is read are samples, which only the code of their data set knows."""

    @staticmethod
    def lacking(plan: Plan, folder: Path) -> str:
        """Why there is no room for it in `folder`; empty when there is."""
        if not plan.data.shards:
            return "nobody knows which files the data set has"
        decoded_bytes = plan.epoch_bytes if plan.has_columns else 0
        needed, room = plan.data.bytes + decoded_bytes, shutil.disk_usage(folder).free
        if needed > room:
            return f"{folder.parent} has room for {byte_size(room)}, and the data set takes {byte_size(needed)} there"
        spared = int(_SHARE * memory.available_bytes())
        return (
            f"the data set takes {byte_size(needed)} of memory, and {byte_size(spared)} can be spared"
            if needed > spared
            else ""
        )

    @classmethod
    def filled(cls, plan: Plan, folder: Path) -> DataSetCache:
        """The data set of `plan`, its files compared with their digests on the way.

        Raises:
            DataError: a file is not what was written.
        """
        for index in range(len(plan.data.shards)):
            _copy(plan.data, index, folder)
        if not plan.has_columns:
            return cls(folder, None)
        with closing(plan.plain_source()) as source:
            decoded = DecodedBlocks.written(folder / "decoded", plan, lambda block: source.read(block).tensors)
        return cls(folder, decoded)

    def in_memory(self, plan: Plan) -> Plan:
        """The plan over the copies."""
        return replace(plan, data=replace(plan.data, folder=self.folder))


def _copy(data: DataSet, index: int, folder: Path) -> None:
    digest, copy = hashlib.blake2b(digest_size=16), folder / data.shards[index].file
    copy.parent.mkdir(parents=True, exist_ok=True)
    with data.path(index).open("rb", buffering=0) as file, copy.open("xb") as sink:
        while part := file.read(_PART):
            digest.update(part)
            sink.write(part)
    if data.shards[index].digest not in ("", digest.hexdigest()):
        raise DataError(f"{data.path(index)}: is not what was written; `feedrate data make --force` renews it")


class DecodedSource:
    """Serves blocks that lie decoded in memory: nothing is read, nothing copied."""

    def __init__(self, plan: Plan, decoded: DecodedBlocks) -> None:
        self._plan = plan
        self._columns = decoded.columns(plan)

    def read(self, block: Block) -> Columns:
        """See `Source`."""
        return self._plan.columns(self._columns[block.number], block)

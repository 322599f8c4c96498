"""Read a decoded copy of the data set that is mapped into memory."""

from __future__ import annotations

import hashlib
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from feedrate.errors import DataError, UnavailableError
from feedrate.plugin.loader import Loader
from feedrate.records.cell_traits import LoaderTraits

if TYPE_CHECKING:
    from feedrate.loading.plan import Plan
    from feedrate.plugin.loader import Stream

__all__ = ["Mapped"]

_DECODED, _ENDS = "decoded", "decoded.ends"
_END_BYTES = 4096


@dataclass(frozen=True)
class Mapped(Loader):
    """Cut batches, in this process, from a copy of the decoded rows that is mapped into memory: nothing is decoded.

    The copy is uncompressed, and rows that two blocks read are in it twice.
    """

    name = "mapped"
    on_request = True

    def traits(self) -> LoaderTraits:
        return LoaderTraits("caller")

    def prepare(self, plan: Plan, folder: Path) -> None:
        from feedrate.loading.decoded_blocks import DecodedBlocks

        if not plan.has_columns:
            raise UnavailableError(f"{self}: needs columns of rows, and these samples come from a data set's own code")
        with closing(plan.plain_source()) as source:
            DecodedBlocks.written(folder / _DECODED, plan, lambda block: source.read(block).tensors)
        (folder / _ENDS).write_text(_ends(folder / _DECODED))

    def stream(self, plan: Plan) -> Stream:
        from feedrate.loading.decoded_blocks import DecodedBlocks

        path = plan.own_copy / _DECODED
        _demand_whole(path, plan.own_copy / _ENDS)
        columns = DecodedBlocks.lying_at(path, plan).columns(plan)
        for block in plan.blocks():
            own = plan.columns(columns[block.number], block)
            for rows in block.batches():
                yield own.batch(rows)


def _demand_whole(path: Path, ends: Path) -> None:
    """Look at the size and both ends of a file.

    Raises:
        DataError: it is not what was written.
    """
    try:
        whole = ends.read_text() == _ends(path)
    except (OSError, ValueError):
        whole = False
    if not whole:
        raise DataError(f"{path}: is not what was written; `feedrate data remove` removes it, to be made again")


def _ends(path: Path) -> str:
    size = path.stat().st_size
    with path.open("rb") as file:
        first = file.read(_END_BYTES)
        file.seek(max(0, size - _END_BYTES))
        return f"{size} {hashlib.blake2b(first + file.read(), digest_size=16).hexdigest()}"

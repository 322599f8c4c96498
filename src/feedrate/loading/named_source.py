"""Read blocks under a name that the vendor's tracing tools show."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from feedrate.loading.accelerator import Accelerator
    from feedrate.loading.batch import Columns
    from feedrate.loading.block import Block
    from feedrate.loading.source import Source

__all__ = ["NamedSource"]


class NamedSource:
    """Reads what another source reads."""

    def __init__(self, source: Source, accelerator: Accelerator) -> None:
        self._source, self._accelerator = source, accelerator

    def read(self, block: Block) -> Columns:
        """See `Source`."""
        with self._accelerator.named("feedrate read"):
            return self._source.read(block)

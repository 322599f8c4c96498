"""Let a loader that reads natively take blocks from elsewhere while its stream is taken apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from feedrate.data.dataset import DataSet
    from feedrate.loading.block import Block
    from feedrate.loading.decoded_blocks import DecodedBlocks

__all__ = ["SourceControl", "SwapPoint", "Turn"]

SwapPoint: TypeAlias = Literal["memory", "decoded"]
"""What a loader can read in place of the data set's files: their bytes in memory, or decoded blocks in memory."""


@dataclass(frozen=True)
class Turn:
    """Where blocks come from that a loader begins to read now."""

    stage: Literal["files", "memory", "decoded"]
    number: int
    """How often the source was changed before; given back with each block, so that old blocks are told from new."""


class SourceControl(Protocol):
    """What a loader that has `swap_points` asks, block by block, where its plan carries one; picklable.

    Ask `current` when a block is begun and read the block from there. Say `served` when the first batch of the block is
    handed to the consumer, not before: what is measured from then on is that block.
    """

    @property
    def in_memory(self) -> DataSet:
        """The same files in a folder in memory, for the stage `memory`."""

    @property
    def decoded(self) -> DecodedBlocks:
        """Where each block lies decoded, for the stage `decoded`."""

    def current(self) -> Turn:
        """Tell where a block that is begun now comes from; asked by the process that consumes the stream."""

    def served(self, block: Block, turn: Turn) -> None:
        """Say that the batches which are handed over from now on are of `block`, read as `turn` says."""

"""A source whose stages are swapped, and slowed down, while loaders read from it, from whatever process or thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from feedrate.loading.source_control import Turn
from feedrate.metering.ablation.dataset_cache import DataSetCache, DecodedSource
from feedrate.system.synthetic_load import burn_cpu, sleep_s

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from feedrate.data.dataset import DataSet
    from feedrate.loading.batch import Columns
    from feedrate.loading.block import Block
    from feedrate.loading.decoded_blocks import DecodedBlocks
    from feedrate.loading.plan import Plan
    from feedrate.loading.source import Source

__all__ = ["STAGES", "SourceSwitch", "SwitchControl", "SwitchableSource"]

STAGES: tuple[Literal["files", "memory", "decoded"], ...] = ("files", "memory", "decoded")
"""Where blocks come from: the data set's files, their bytes in memory, or memory that holds them decoded."""
_STATE = np.dtype([("stage", "i4"), ("generation", "i4"), ("read_s", "f8"), ("decode_s", "f8"), ("gather_s", "f8")])
_READ = np.dtype([("generation", "i4"), ("reader", "i4"), ("times", "i8")])
"""Of each stored block: when and by which thread it was last read, and how often."""


@dataclass(frozen=True)
class SourceSwitch:
    """What is set, and what was read since: a file that all processes of a loader map.

    One process sets; the others look whenever they begin a block. Whatever a reader writes is a note for the one that
    sets, never a lock: two that read one block at the same moment leave the note of either.
    """

    path: Path
    blocks: int

    @classmethod
    def create(cls, path: Path, blocks: int) -> SourceSwitch:
        """Make a new one, which reads files without delay."""
        path.write_bytes(bytes(_STATE.itemsize + blocks * _READ.itemsize))
        return cls(path, blocks)

    @cached_property
    def state(self) -> NDArray[np.void]:
        """One record: what is set."""
        return np.memmap(self.path, _STATE, "r+", 0, (1,))

    @cached_property
    def reads(self) -> NDArray[np.void]:
        """A record for each stored block."""
        return np.memmap(self.path, _READ, "r+", _STATE.itemsize, (self.blocks,))

    def turn(self, stage: str, read_s: float = 0.0, decode_s: float = 0.0, gather_s: float = 0.0) -> None:
        """Blocks that are begun from now on come from `stage`, with delays in seconds a batch."""
        state = self.state[0]
        state["stage"], state["gather_s"] = STAGES.index(stage), gather_s
        state["read_s"], state["decode_s"] = read_s, decode_s
        # Last: a note with this number says that all of the above was seen.
        state["generation"] += 1

    def note(self, block: Block, generation: int) -> None:
        """Note that this thread has read `block` as that turn says."""
        note = self.reads[block.number]
        note["generation"], note["reader"] = generation, threading.get_native_id()
        note["times"] += 1

    def is_new(self, block: int) -> bool:
        """Whether that block was last read after the last turn."""
        return bool(self.reads["generation"][block] == self.state["generation"][0])

    @property
    def readers(self) -> int:
        """Threads, of whatever process, that did the latest reading of the blocks."""
        read_blocks = self.reads[self.reads["times"] > 0]
        return len(set(read_blocks["reader"].tolist()))


@dataclass(frozen=True)
class SwitchControl:
    """Tells a loader that reads natively what is set; a `SourceControl`."""

    switch: SourceSwitch
    in_memory: DataSet
    decoded: DecodedBlocks

    def current(self) -> Turn:
        """See `SourceControl`."""
        state = self.switch.state[0]
        return Turn(STAGES[state["stage"]], int(state["generation"]))

    def served(self, block: Block, turn: Turn) -> None:
        """See `SourceControl`."""
        self.switch.note(block, turn.number)


@dataclass(frozen=True)
class SwitchableSource:
    """Opens a plan's source in its place; travels with the plan to loaders' processes."""

    switch: SourceSwitch
    stock: DataSetCache | None

    @contextmanager
    def __call__(self, plan: Plan) -> Iterator[Source]:
        """The source, for one process."""
        with ExitStack() as stack:
            sources: list[Source] = [stack.enter_context(closing(plan.plain_source()))]
            if self.stock is not None:
                sources.append(stack.enter_context(closing(self.stock.in_memory(plan).plain_source())))
                if self.stock.decoded is not None:
                    sources.append(DecodedSource(plan, self.stock.decoded))
            yield _SwitchedSource(self.switch, sources)


class _SwitchedSource:
    def __init__(self, switch: SourceSwitch, sources: list[Source]) -> None:
        self._switch, self._sources = switch, sources

    def read(self, block: Block) -> Columns:
        """See `Source`."""
        state = self._switch.state[0].copy()
        if state["read_s"]:
            sleep_s(float(state["read_s"]) * block.batch_count)
        columns = self._sources[int(state["stage"])].read(block)
        if state["decode_s"]:
            burn_cpu(float(state["decode_s"]) * block.batch_count)
        if state["gather_s"]:
            columns = replace(columns, derive=_Slowly(float(state["gather_s"]), columns.derive))
        self._switch.note(block, int(state["generation"]))
        return columns


@dataclass(frozen=True)
class _Slowly:
    """Derives tensors of a batch that is being gathered, after keeping a core busy: in whatever thread gathers."""

    seconds: float
    derive: Callable[[Mapping[str, Tensor]], dict[str, Tensor]] | None

    def __call__(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        burn_cpu(self.seconds)
        return {} if self.derive is None else self.derive(tensors)

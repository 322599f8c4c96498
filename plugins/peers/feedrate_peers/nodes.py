"""Read blocks on threads of torchdata's nodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from feedrate import FeedrateError, Loader, LoaderTraits, knob, package

if TYPE_CHECKING:
    from feedrate import Batch, Block, Plan, Source, Stream

__all__ = ["Nodes"]


@dataclass(frozen=True)
class Nodes(Loader):
    """Let `ParallelMapper` read and cut blocks on `count` threads, and `Prefetcher` hold `depth` batches."""

    name = "nodes"
    on_request = True
    needs = (package("torchdata"),)
    count: int = knob(2, 1, 4, low=1, high=64)
    depth: int = knob(2, 4, low=1, high=1_024)

    def traits(self) -> LoaderTraits:
        """See `Loader`."""
        return LoaderTraits("threads", self.count, "count", "depth")

    def prefetch_batches(self, plan: Plan) -> int:
        """Count what the prefetcher holds, and the blocks that the threads have cut or are cutting."""
        return self.depth + (self.count + 1) * plan.max_block_batches

    def stream(self, plan: Plan) -> Stream:
        """See `Loader`."""
        with plan.open() as source:
            batches = self._batches(plan, source)
            try:
                for batch in batches:
                    if isinstance(batch, FeedrateError):
                        raise batch
                    yield batch
            finally:
                # The library ends its threads when nobody refers to its nodes any more.
                batches.close()

    def _batches(self, plan: Plan, source: Source) -> Any:
        from torchdata.nodes import IterableWrapper, ParallelMapper, Prefetcher, Unbatcher

        def cut(block: Block) -> list[Batch | FeedrateError]:
            try:
                columns = source.read(block)
                return [columns.batch(rows) for rows in block.batches()]
            # As an item: the library would wrap the one line that names the file into a traceback.
            except FeedrateError as error:
                return [error]

        mapped = ParallelMapper(IterableWrapper(plan.blocks()), cut, num_workers=self.count, max_concurrent=self.count)
        return _drained(Prefetcher(Unbatcher(mapped), self.depth))


def _drained(node: Any) -> Iterator[Any]:
    node.reset()
    while True:
        try:
            item = next(node)
        except StopIteration:
            return
        yield item

"""Stream samples from tar files with WebDataset, shuffled by its buffer."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from feedrate import Loader, LoaderTraits, Serves, UnavailableError, knob, package
from feedrate_peers import _tar

if TYPE_CHECKING:
    from pathlib import Path

    from feedrate import Plan, Stream

__all__ = ["WebDataset"]


@dataclass(frozen=True)
class WebDataset(Loader):
    """Read tar files of samples one after the other, in an order drawn anew, and shuffle within `buffer` samples."""

    name = "webdataset"
    on_request = True
    serves: ClassVar[Serves] = "rows"
    needs = (package("webdataset"),)
    copy_knobs: ClassVar[tuple[str, ...]] = ("shard",)
    shard: int = knob(1_000, low=1, high=1_000_000)
    """Samples of a tar file."""
    buffer: int = knob(1_000, 5_000, low=1, high=1_000_000)
    """Samples that are shuffled at a time."""

    def traits(self) -> LoaderTraits:
        """See `Loader`."""
        return LoaderTraits("caller")

    def prepare(self, plan: Plan, folder: Path) -> None:
        """Write each sample as the library does, an `.npy` for each tensor of it."""
        import webdataset

        if plan.derived or not plan.has_columns:
            raise UnavailableError(f"{self}: needs samples that are whole one by one, cut from columns of rows")
        with (
            closing(plan.plain_source()) as source,
            webdataset.ShardWriter(str(folder / "%06d.tar"), maxcount=self.shard, verbose=0) as sink,
        ):
            for block in plan.stored_blocks:
                columns = source.read(block)
                for batch in map(columns.batch, block.batches()):
                    for number, row in enumerate(batch.ids.tolist()):
                        arrays = {f"{name}.npy": values[number].numpy() for name, values in batch.tensors.items()}
                        sink.write({"__key__": f"{row:012d}", **arrays})

    def stream(self, plan: Plan) -> Stream:
        """See `Loader`."""
        shards = [str(plan.own_copy / f"{number:06d}.tar") for number in range(-(-plan.samples // self.shard))]
        for epoch in plan.epoch_numbers():
            drawn = random.Random(epoch).sample(shards, len(shards))
            with closing(_tar.samples(drawn, self.buffer)) as samples:
                yield from map(plan.collated, _groups(samples, plan.max_batch_rows))


def _groups(samples: Any, most: int) -> Iterator[list[dict[str, Any]]]:
    """Yield so many records at a time, with what the library calls them by taken off."""
    coming = iter(samples)
    while records := [
        {name.removesuffix(".npy"): value for name, value in sample.items() if name.endswith(".npy")}
        | {"row_id": int(sample["__key__"])}
        for sample in islice(coming, most)
    ]:
        yield records

"""A workload over a map-style data set of torch: somebody's own code gives the samples, by index."""

from __future__ import annotations

import dataclasses
import operator
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

# Hints are looked at when knobs are read.
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar

from feedrate.data.dataset import DataSet
from feedrate.data.field import ROW_ID, Field
from feedrate.errors import DataError, FeedrateError, UnavailableError, UsageError, one_line
from feedrate.plugin.strategy import knob
from feedrate.plugin.workload import OWN_SIZE, SizedWorkload, Workload

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from feedrate.data.field import Cast
    from feedrate.loading.block import Block
    from feedrate.loading.plan import Plan
    from feedrate.loading.samples import SampleSpec

__all__ = ["DatasetWorkload", "OpenDatasets", "SizedDataset"]

T = TypeVar("T")
_ORDER = (1 << 32) - 2
"""Number that stands for the order in which samples were put together to batches; `BlockOrder` has the one above."""


class OpenDatasets:
    """What this process has made of workloads already: each data set and its batches, once; it is sent without them."""

    def __init__(self) -> None:
        """Nothing was made yet."""
        self._made: dict[tuple[str, SizedDataset, Path], Any] = {}
        self._lock = RLock()

    def __reduce__(self) -> tuple[type[OpenDatasets], tuple[()]]:
        return OpenDatasets, ()

    def once(self, part: str, recipe: SizedDataset, folder: Path, make: Callable[[], T]) -> T:
        """Give what `make` returned when it was first called for that part of that recipe in that folder."""
        with self._lock:
            key = part, recipe, folder
            if key not in self._made:
                self._made[key] = make()
            made: T = self._made[key]
            return made


@dataclass(frozen=True)
class DatasetWorkload(Workload):
    """Load and train what a map-style data set of torch gives: any nesting of tensors, of any dtype and ragged sizes.

    A batch is read as `collate([dataset[index] for index in indices])`, or with the data set's `__getitems__`. Model
    and loss get its tensors by path: a key or a place in a tuple, with dots between them; `nested` nests them again.
    """

    format: ClassVar[str] = "dataset"
    version: ClassVar[int] = 1
    sizes: ClassVar[tuple[str, ...]] = (OWN_SIZE,)
    is_generated: ClassVar[bool] = False
    has_columns: ClassVar[bool] = False
    is_random: ClassVar[bool] = False
    """True: a sample may be another one each time that it is fetched; only the form of batches can then be compared.
    Draw from `sample_generator(index)` instead wherever you can."""

    batch_size: int | None = knob(64, low=1, high=1 << 24)
    """Samples of a batch; the last one may hold fewer. None: as `size_batch` says."""
    drop_last: bool = knob(False, True)
    """Leave the last of `index_lists` out if it holds fewer: the same samples in each epoch."""
    opened: OpenDatasets = dataclasses.field(
        default_factory=OpenDatasets, repr=False, compare=False, metadata={"knob": False}
    )

    @abstractmethod
    def dataset(self, size: str, folder: Path) -> Any:
        """Give the data set: anything with `__len__` and `__getitem__`; called once in each process that reads.

        `folder` holds what was made for a workload that is generated. Threads ask one data set at the same time.
        """

    def collate(self, samples: list[Any]) -> Any:
        """Make a batch of samples; unless overridden, as torch's DataLoader does."""
        from torch.utils.data import default_collate

        return default_collate(samples)

    def size_batch(self, size: str) -> int:
        """Give the samples of a batch where `batch_size` is None."""
        del size
        return 64

    def batch_samples(self, size: str) -> int:
        """See `Workload`."""
        return self.batch_size or self.size_batch(size)

    def index_lists(self, size: str, count: int) -> Iterable[Sequence[int]]:
        """Give the indices of each batch, as a batch sampler would; unless overridden, drawn at random, once.

        Each epoch has these batches in another order, and the samples of each in another order, but for `in_order`.
        """
        import numpy as np

        from feedrate.loading.block import permuted

        indices = np.arange(count)
        if not self.in_order:
            indices = permuted(indices, 0, 0, _ORDER)
        batch = self.batch_samples(size)
        return (indices[start : start + batch].tolist() for start in range(0, count, batch))

    def write_file(self, path: Path, size: str, seed: int, number: int) -> None:
        """Write the file of that number, of a workload that is generated: a pure function of (size, seed, number)."""
        del path, size, seed, number
        self._refuse("its files are not feedrate's to write")

    def at(self, size: str) -> SizedDataset:
        """See `Workload`."""
        return SizedDataset(self, super().at(size).size)

    def plan(
        self,
        data: DataSet,
        size: str,
        *,
        epochs: int | None = 1,
        cast: Cast = "device",
        rank: int = 0,
        world_size: int = 1,
    ) -> Plan:
        """See `Workload`; opens the data set and looks at two samples.

        Raises:
            DataError: the data set fails, or is none of that kind.
            UnavailableError: its batches are no tensors.
        """
        from feedrate.loading.order import BlockOrder
        from feedrate.loading.plan import Plan

        recipe, shuffle = self.at(size), not self.in_order
        order = BlockOrder(recipe.blocks(data.folder), epochs, shuffle=shuffle, rank=rank, world_size=world_size)
        return Plan(data, dataclasses.replace(recipe.spec(data.folder), cast=cast), order)

    def stored_fields(self, size: str) -> tuple[Field, ...]:
        """Give the row id; what else a sample has, its data set knows."""
        del size
        return (Field(ROW_ID, "int64", "int64"),)

    def row_groups(self, size: str) -> tuple[tuple[int, ...], ...]:
        """Give the samples of each file; nobody knows those of somebody's own."""
        del size
        return ()

    def rows(self, size: str, seed: int, start: int, stop: int) -> dict[str, NDArray[np.generic]]:
        """Raise `UnavailableError`: samples come from the data set alone."""
        del size, seed, start, stop
        self._refuse("its data set gives samples, and no rows of columns")

    def blocks(self, size: str) -> tuple[Block, ...]:
        """Raise `UnavailableError`: how many samples there are is known where the data set lies."""
        del size
        self._refuse("its batches are known with its data set; make a plan")

    def _refuse(self, reason: str) -> NoReturn:
        raise UnavailableError(f"{self}: {reason}")


@dataclass(frozen=True)
class SizedDataset(SizedWorkload):
    """A workload over a data set, at one size: gives the samples, and writes the files where those are generated."""

    workload: DatasetWorkload

    def __str__(self) -> str:
        return f"{self.workload}/{self.size}"

    def open(self, root: Path) -> DataSet:
        """Open the files below `root`; those of somebody's own are not known."""
        if self.workload.is_generated:
            return super().open(root)
        return DataSet(root, self.format, {}, {}, self.fields, (), stores_ids=False)

    def write_shard(self, path: Path, number: int, start: int) -> None:
        """See `DataSetSpec`."""
        del start
        self.workload.write_file(path, self.size, self.seed, number)

    def dataset(self, folder: Path) -> Any:
        """See `SampleProvider`."""
        return self.workload.opened.once("data set", self, folder, lambda: self._dataset(folder))

    def collate(self, samples: list[Any]) -> Any:
        """See `SampleProvider`."""
        return self.workload.collate(samples)

    def blocks(self, folder: Path) -> tuple[Block, ...]:
        """Give a block for each batch of indices.

        Raises:
            DataError: the data set is empty, or an index is out of its range.
        """
        return self.workload.opened.once("blocks", self, folder, lambda: tuple(self._blocks(folder)))

    def spec(self, folder: Path) -> SampleSpec:
        """Say what a batch is, after a look at the first samples."""
        from feedrate.loading.samples import SampleSpec

        def look() -> SampleSpec:
            return SampleSpec.of(self, folder, self.blocks(folder)[0], is_random=self.workload.is_random)

        return self.workload.opened.once("spec", self, folder, look)

    def _dataset(self, folder: Path) -> Any:
        try:
            dataset = self.workload.dataset(self.size, folder)
        except FeedrateError:
            raise
        # A stranger's code may raise anything.
        except Exception as error:
            raise DataError(f"{self}: its data set cannot be opened ({one_line(error)})") from error
        if not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__"):
            kind = type(dataset).__name__
            raise UnavailableError(f"{self}: needs a map-style data set: {kind} has no `__getitem__` and `__len__`")
        return dataset

    def _blocks(self, folder: Path) -> Iterator[Block]:
        from feedrate.loading.block import Block

        count = len(self.dataset(folder))
        if count == 0:
            raise DataError(f"{self}: its data set is empty")
        for number, indices in enumerate(self._index_lists(count)):
            rows = [operator.index(index) for index in indices]
            if not rows or min(rows) < 0 or max(rows) >= count:
                raise DataError(f"{self}: batch {number} of `index_lists` is empty, or beyond its {count:,} samples")
            yield Block.of_rows(rows)

    def _index_lists(self, count: int) -> Iterable[Sequence[int]]:
        """Give the indices of each batch.

        Raises:
            UsageError: `drop_last` leaves none.
        """
        lists, size = list(self.workload.index_lists(self.size, count)), self.workload.batch_samples(self.size)
        if not self.workload.drop_last or not lists or len(lists[-1]) >= size:
            return lists
        if len(lists) == 1:
            raise UsageError(f"{self}: drop_last leaves no batch of {size:,}: there are {count:,} samples")
        return lists[:-1]

"""Fetch samples from a map-style data set by index, and collate them to batches."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from feedrate.data.field import ROW_ID, Field
from feedrate.errors import DataError, FeedrateError, UnavailableError, one_line
from feedrate.loading.batch import Batch, Columns
from feedrate.loading.batch_spec import BatchSpec
from feedrate.loading.block import Block
from feedrate.loading.leaves import leaves
from feedrate.loading.sample_index import SampleIndex

if TYPE_CHECKING:
    from torch import Tensor

    from feedrate.data.dataset import DataSet

__all__ = ["SampleColumns", "SampleProvider", "SampleSource", "SampleSpec"]


_FEW = 2
"""Samples that are fetched to see what a batch is."""


class SampleProvider(Protocol):
    """Where samples come from, and how batches are made of them; picklable, without an open data set."""

    def dataset(self, folder: Path) -> Any:
        """Give the map-style data set over the files in `folder`, the same object each time in one process."""

    def collate(self, samples: list[Any]) -> Any:
        """Make a batch of samples: a tensor, or any nesting of tensors."""


@dataclass(frozen=True)
class SampleSpec(BatchSpec):
    """What a batch of samples is. `fields` are those of the first samples: batches of others may have other shapes."""

    has_columns: ClassVar[bool] = False

    provider: SampleProvider = field(kw_only=True)
    is_random: bool = field(default=False, kw_only=True)
    """A sample may be another one each time that it is fetched: of batches only the form can be compared."""

    @classmethod
    def of(cls, provider: SampleProvider, folder: Path, first: Block, *, is_random: bool) -> SampleSpec:
        """Collate two samples of the block `first` to see which tensors come.

        Raises:
            DataError, UnavailableError: they cannot be fetched, or make no batch of tensors.
        """
        few = Block.of_rows(next(first.ids())[:_FEW].tolist())
        rows = next(few.batches())
        batch = SampleSource(provider, folder).read(few).batch(rows)
        fields = (_field(name, tensor, len(rows)) for name, tensor in batch.tensors.items())
        return cls((Field(ROW_ID, "int64", "int64"), *fields), provider=provider, is_random=is_random)

    @property
    def cast_fields(self) -> tuple[Field, ...]:
        """Give none: a batch has the dtypes that it was collated with."""
        return ()

    def stored_columns(self, data: DataSet) -> tuple[Field, ...]:
        """Give what is held of a sample that was fetched."""
        del data
        return self.fields

    def source(self, data: DataSet) -> SampleSource:
        """See `BatchSpec`."""
        return SampleSource(self.provider, data.folder)

    def batch(self, data: DataSet, ids: Tensor, key: tuple[int, int, int] | None) -> Batch:
        """Make the batch of the samples `ids`, int64 (B,), in this process; `key`: of a block of the epoch.

        Raises:
            DataError, UnavailableError: see `SampleSource.read` and `SampleColumns.batch`.
        """
        first = int(ids.min())
        return self.source(data).fetched(ids.tolist(), first, key).batch(ids - first)

    def row_count(self, data: DataSet) -> int:
        """Count the samples of the data set."""
        return len(self.provider.dataset(data.folder))


def _field(name: str, tensor: Tensor, rows: int) -> Field:
    """The field of a tensor that so many samples make: where its first axis is not theirs, of a like size."""
    dtype = str(tensor.dtype).removeprefix("torch.")
    by_sample = tensor.ndim > 0 and len(tensor) == rows
    return Field(name, dtype, dtype, tuple(tensor.shape[1:]) if by_sample else (-(-tensor.numel() // rows),))


class SampleSource:
    """A `Source` that asks the data set itself; a block is one batch of indices."""

    def __init__(self, provider: SampleProvider, folder: Path) -> None:
        self._provider = provider
        self._dataset = provider.dataset(folder)

    def read(self, block: Block) -> SampleColumns:
        """Fetch the samples of a block, in the order of its batch.

        Raises:
            DataError: the data set fails; the text has the index, and what it says.
        """
        positions, _ = block.positions()
        return self.fetched((positions + block.start).tolist(), block.start, block.key)

    def close(self) -> None:
        """See `PlainSource`: the data set stays with its provider."""

    def fetched(self, rows: Sequence[int], first: int, key: tuple[int, int, int] | None) -> SampleColumns:
        """Fetch these samples, of which `first` is at position 0; `key`: see `Block`."""
        seed, epoch = key[:2] if key else (0, 0)
        indices = [SampleIndex(row, epoch, seed) for row in rows]
        samples: dict[int, Any] = dict(zip(indices, self._fetched(indices), strict=True))
        return SampleColumns({}, (), "device", first, samples=samples, collate=self._collated)

    def _fetched(self, indices: Sequence[SampleIndex]) -> list[Any]:
        many = getattr(self._dataset, "__getitems__", None)
        if many is None:
            return [
                self._tried(f"sample {index}", partial(operator.getitem, self._dataset, index)) for index in indices
            ]
        which = f"samples {indices[0]} and {len(indices) - 1} more"
        samples: list[Any] = self._tried(which, lambda: list(many(indices)))
        if len(samples) != len(indices):
            raise DataError(f"{self._provider}: its `__getitems__` gives {len(samples)} samples for {len(indices)}")
        return samples

    def _collated(self, samples: list[Any]) -> Any:
        return self._tried("a batch", lambda: self._provider.collate(samples), "collated")

    def _tried(self, which: str, job: Callable[[], Any], done: str = "fetched") -> Any:
        try:
            return job()
        except (FeedrateError, MemoryError):
            raise
        # A stranger's code: whatever it raises must reach the user in one line, out of whichever process it ran in.
        except Exception as error:
            raise DataError(f"{self._provider}: {which} cannot be {done} ({one_line(error)})") from error


@dataclass(frozen=True)
class SampleColumns(Columns):
    """Samples of one block, which batches are collated from; there are no columns to gather from."""

    samples: Mapping[int, Any] = field(kw_only=True)
    """By index."""
    collate: Callable[[list[Any]], Any] = field(kw_only=True)

    def batch(self, rows: Tensor, into: Mapping[str, Tensor] | None = None) -> Batch:
        """Collate the samples at positions `rows`, int64 (B,), in memory of the batch's own; see `Columns`.

        Raises:
            UnavailableError: the batch holds what is no tensor; or, with `into`, is of another form.
        """
        ids = rows + self.first
        tensors = dict(leaves(self.collate([self.samples[index] for index in ids.tolist()])))
        if ROW_ID in tensors:
            raise UnavailableError(f"needs the name {ROW_ID!r} for itself; have `collate` give that tensor another")
        if self.derive is not None:
            tensors |= self.derive(tensors)
        return Batch(ids, tensors) if into is None else _placed(ids, tensors, into)


def _placed(ids: Tensor, tensors: Mapping[str, Tensor], into: Mapping[str, Tensor]) -> Batch:
    """Copy a batch into buffers that were laid out after the first samples."""
    wanted = {name: (place.dtype, (len(ids), *place.shape[1:])) for name, place in into.items() if name != ROW_ID}
    given = {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in tensors.items()}
    if given != wanted:
        name = next(name for name in (*given, *wanted) if given.get(name) != wanted.get(name))
        raise UnavailableError(
            f"needs batches of one form: {name!r} is {_form(given.get(name))} where the first samples make it"
            f" {_form(wanted.get(name))}; pad in `collate`, or use a loader without buffers, such as workers or threads"
        )
    views = {name: into[name][: len(ids)].copy_(tensor) for name, tensor in tensors.items()}
    return Batch(into[ROW_ID][: len(ids)].copy_(ids), views)


def _form(form: tuple[object, tuple[int, ...]] | None) -> str:
    return "missing" if form is None else f"{str(form[0]).removeprefix('torch.')} {form[1]}"

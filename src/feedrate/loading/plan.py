"""Say what a loader is asked for: batches of a data set, in an order, for a device."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from feedrate.errors import ContractError
from feedrate.loading.loader_report import LoaderReport
from feedrate.loading.order import Homes, Order, epoch_numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from torch import Tensor

    from feedrate.data.dataset import DataSet
    from feedrate.data.field import Cast, Field
    from feedrate.loading.accelerator import Accelerator
    from feedrate.loading.batch import Batch, Columns
    from feedrate.loading.batch_spec import BatchSpec
    from feedrate.loading.block import Block
    from feedrate.loading.source import PlainSource, Source
    from feedrate.loading.source_control import SourceControl

__all__ = ["Placement", "Plan"]


@dataclass(frozen=True)
class Placement:
    """Where batches go, what room there is, and what looks on while they are loaded."""

    device: str = "cpu"
    """Where the batches go in the end; a loader may yield them there already."""
    device_budget_bytes: int | None = None
    """Memory of the device that a loader may fill, the step's own peak left out; None: nobody measured it."""
    logs: str = ""
    """Folder where processes of a loader may leave their dumps; empty: nowhere."""
    source_factory: Callable[[Plan], AbstractContextManager[Source]] | None = field(default=None, compare=False)
    """Opens another source in place of the files, where stages are told apart; picklable. None: the files."""
    source_control: SourceControl | None = field(default=None, compare=False)
    """The same for loaders that read natively; picklable. None: they read the files."""
    own_copy: Path | None = None
    """Folder that the loader's `prepare` has filled; None: it keeps no copy."""
    accelerator: Accelerator | None = field(default=None, compare=False)
    """What stands for the device; picklable. None: what the device's name says."""


@dataclass(frozen=True)
class Plan:
    """Epochs of blocks of batches over one data set. Iterate it for the int64 (B,) row ids of each batch."""

    data: DataSet
    spec: BatchSpec
    """What a batch is."""
    order: Order
    """Which rows make which batch, one after the other."""
    placement: Placement = Placement()
    report: LoaderReport = field(default_factory=LoaderReport, compare=False)
    """What the loader says about itself while it streams this plan, for the record."""

    # --- the order

    def blocks(self) -> Iterator[Block]:
        """Yield every block of every epoch, in the planned order; where `epochs` is None, without end."""
        for epoch in self.epoch_numbers():
            yield from self.epoch_blocks(epoch)

    def epoch_blocks(self, epoch: int) -> Iterator[Block]:
        """Yield the blocks of one epoch, in the planned order."""
        return self.order.epoch_blocks(epoch)

    def epoch_ids(self, epoch: int) -> Iterator[Tensor]:
        """Yield the int64 (B,) row ids of each batch of one epoch."""
        for block in self.epoch_blocks(epoch):
            yield from block.ids()

    def epoch_numbers(self) -> Iterable[int]:
        """Give the number of each epoch, mostly 0, 1, ...; where `epochs` is None, without end."""
        return epoch_numbers(self.epochs, self.order.first_epoch)

    def __iter__(self) -> Iterator[Tensor]:
        for epoch in self.epoch_numbers():
            yield from self.epoch_ids(epoch)

    def __len__(self) -> int:
        if self.batch_count is None:
            raise TypeError("a plan of endless epochs has no length")
        return self.batch_count

    @property
    def batch_count(self) -> int | None:
        """Batches of all epochs; None: there is no end."""
        return self.order.batch_count

    @property
    def epochs(self) -> int | None:
        """Number of epochs; None: there is no end."""
        return self.order.epochs

    @property
    def seed(self) -> int:
        """What the order follows from."""
        return self.order.seed

    @property
    def stored_blocks(self) -> tuple[Block, ...]:
        """Every block that is read, in the order of the files, each with its number."""
        return self.order.stored_blocks

    @cached_property
    def epoch_batches(self) -> int:
        """Batches in one epoch of all ranks together."""
        return sum(block.batch_count for block in self.stored_blocks)

    @cached_property
    def samples(self) -> int:
        """Samples in one epoch of all ranks together."""
        return sum(block.samples for block in self.stored_blocks)

    @cached_property
    def max_block_batches(self) -> int:
        """Batches of the block that has most."""
        return max(block.batch_count for block in self.stored_blocks)

    @cached_property
    def max_batch_rows(self) -> int:
        """Samples in the largest batch."""
        return max(block.max_batch_rows for block in self.stored_blocks)

    @cached_property
    def min_batch_rows(self) -> int:
        """Samples in the smallest batch."""
        return min(block.min_batch_rows for block in self.stored_blocks)

    def block_of(self, ids: Tensor) -> Tensor:
        """Find, int64 (B,), the number of the block that each row of `ids`, int64 (B,), is a sample of; -1: of none."""
        return self._homes.of(ids)

    @cached_property
    def _homes(self) -> Homes:
        return Homes(self.stored_blocks)

    # --- what a batch is

    @property
    def fields(self) -> tuple[Field, ...]:
        """Tensors that are cut from columns, the row id among them."""
        return self.spec.fields

    @property
    def batch_fields(self) -> tuple[Field, ...]:
        """Every tensor of a batch: those cut from columns, then those derived."""
        return self.spec.batch_fields

    @property
    def has_columns(self) -> bool:
        """Batches are cut from columns of rows; False: collated from samples, which a data set's own code gives."""
        return self.spec.has_columns

    @property
    def cast_fields(self) -> tuple[Field, ...]:
        """Tensors whose stored dtype may be another than the model's."""
        return self.spec.cast_fields

    @property
    def cast(self) -> Cast:
        """Where stored dtypes become the model's."""
        return self.spec.cast

    @property
    def day_starts(self) -> tuple[int, ...] | None:
        """Row where each day of a panel starts, and the end; None: a row is a day."""
        return self.spec.day_starts

    @property
    def derive(self) -> Callable[[Mapping[str, Tensor]], dict[str, Tensor]] | None:
        """Work on each batch that loaders do; returns further tensors, named in `derived`."""
        return self.spec.derive

    @property
    def derived(self) -> tuple[Field, ...]:
        """Tensors that `derive` adds to a batch."""
        return self.spec.derived

    @property
    def stored_columns(self) -> tuple[Field, ...]:
        """Columns of the data set that batches are cut from, in their stored order."""
        return self.spec.stored_columns(self.data)

    def columns(self, tensors: Mapping[str, Tensor], block: Block) -> Columns:
        """Wrap the stored columns of a block's rows, so that batches can be cut from them."""
        return self.spec.columns(tensors, block)

    def touched(self, ids: Tensor) -> Tensor:
        """See `BatchSpec.touched`: the rows that a batch needs, for libraries that fetch rows one by one."""
        return self.spec.touched(ids)

    def assembled(self, ids: Tensor, rows: Tensor, tensors: Mapping[str, Tensor]) -> Batch:
        """See `BatchSpec.assembled`: the batch of rows that were fetched."""
        return self.spec.assembled(ids, rows, tensors)

    def collated(self, records: Sequence[Mapping[str, Any]]) -> Batch:
        """See `BatchSpec.collated`: a batch of samples that came one by one."""
        return self.spec.collated(records)

    def block_bytes(self, block: Block) -> int:
        """Count the bytes of the block's decoded rows."""
        rows = block.stop - block.start if self.has_columns else block.samples
        return rows * self._row_bytes

    @cached_property
    def _row_bytes(self) -> int:
        return sum(field.row_bytes for field in self.stored_columns)

    @cached_property
    def epoch_bytes(self) -> int:
        """Bytes of the decoded rows of all blocks; rows that two blocks read count twice."""
        return sum(self.block_bytes(block) for block in self.stored_blocks)

    # --- where it goes

    @property
    def device(self) -> str:
        """Where the batches go in the end; a loader may yield them there already."""
        return self.placement.device

    @property
    def accelerator(self) -> Accelerator | None:
        """What that device is talked to through; None: batches stay on the host."""
        if self.placement.accelerator is not None:
            return self.placement.accelerator
        from feedrate.loading.accelerator import accelerator_of

        return accelerator_of(self.device)

    @property
    def own_copy(self) -> Path:
        """Folder that the loader's `prepare` has filled.

        Raises:
            ContractError: it was not called for this plan.
        """
        if self.placement.own_copy is None:
            raise ContractError("a loader that keeps a copy was given a plan without one: call its `prepare` first")
        return self.placement.own_copy

    @property
    def logs(self) -> str:
        """Folder where processes of a loader may leave their dumps; empty: nowhere."""
        return self.placement.logs

    @property
    def source_control(self) -> SourceControl | None:
        """Where a loader with `swap_points` takes each block from; None: from the files."""
        return self.placement.source_control

    @contextmanager
    def open(self) -> Iterator[Source]:
        """Open a `Source` that reads this plan's blocks; several threads may use it, other processes may not."""
        if self.placement.source_factory is not None:
            with self.placement.source_factory(self) as source:
                yield source
            return
        accelerator = self.accelerator
        with closing(self.plain_source()) as source:
            if accelerator is None or not accelerator.is_traced:
                yield source
                return
            from feedrate.loading.named_source import NamedSource

            yield NamedSource(source, accelerator)

    def plain_source(self) -> PlainSource:
        """Open the source that reads the data set itself, whatever `open` gives in its place; to be closed."""
        return self.spec.source(self.data)

    # --- the same, with one thing changed

    def for_epochs(self, epochs: int | None) -> Plan:
        """Copy this plan with so many epochs; None: without end."""
        return replace(self, order=self.order.for_epochs(epochs))

    def epoch(self, number: int) -> Plan:
        """Copy this plan with the epoch of that number alone, for libraries that are given one at a time."""
        return replace(self, order=self.order.for_epochs(1, number))

    def with_cast(self, cast: Cast) -> Plan:
        """Copy this plan with stored dtypes becoming the model's there."""
        return replace(self, spec=replace(self.spec, cast=cast))

    def with_copy(self, folder: Path) -> Plan:
        """Copy this plan with the folder that a loader's `prepare` has filled."""
        return replace(self, placement=replace(self.placement, own_copy=folder))

    def on_device(self, device: str) -> Plan:
        """Copy this plan with batches that go to that device."""
        return replace(self, placement=replace(self.placement, device=device))

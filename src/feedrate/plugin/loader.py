"""A loader: a way of getting rows off the disk."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

# Hints are looked at when knobs are read.
from feedrate.loading.source_control import SwapPoint
from feedrate.plugin.strategy import Strategy, knob
from feedrate.records.cell_traits import LoaderTraits

if TYPE_CHECKING:
    from pathlib import Path

    from feedrate.loading.batch import Batch
    from feedrate.loading.plan import Plan

__all__ = ["Loader", "Serves", "Stream"]

Serves: TypeAlias = Literal["order", "batches", "rows"]
"""What a stream keeps of its plan: the planned batches in the planned order; the planned batches, each epoch's in any
order; or each row once an epoch, in batches and an order of the loader's own, none larger than the plan's largest."""

Stream: TypeAlias = "Generator[Batch, None, None]"


@dataclass(frozen=True)
class Loader(Strategy):
    """A strategy that yields a plan's batches. Subclasses state nothing but knobs and `stream`."""

    serves: ClassVar[Serves] = "order"
    """What it keeps of a plan; checked before, while and after it is timed."""
    keeps_order: ClassVar[bool] = True
    """Of plugins older than `serves`: False is what that calls `batches`."""
    synthetic: ClassVar[bool] = False
    """True: serves the same few batches again and again; nothing is asked of it about rows, order or damaged files."""

    swap_points: ClassVar[tuple[SwapPoint, ...]] = ()
    """What a loader that reads without `plan.open()` can read in place of the files, as `plan.source_control` asks."""

    copy_version: ClassVar[int] = 1
    """Counts up whenever `prepare` writes something else."""
    copy_knobs: ClassVar[tuple[str, ...]] = ()
    """Knobs that what it writes depends on."""

    cast: str = knob("device", "host")
    """Where stored dtypes become the model's: the plan passes it on to whoever gathers or copies."""
    copy: str = knob("overlap", "serial", "synced")
    """Copy to a CUDA device: on a side stream one batch ahead; in the step's own stream; or that and wait for it."""
    pin: bool = knob(True, False)
    """Copy to a CUDA device from page-locked memory."""

    @property
    def promised(self) -> Serves:
        """What it keeps of a plan, whichever of the two ways it says so."""
        return "batches" if self.serves == "order" and not self.keeps_order else self.serves

    @abstractmethod
    def stream(self, plan: Plan) -> Stream:
        """Yield every batch of every epoch of `plan`, on the host or already on `plan.device`.

        Set-up and clean-up stand in `with` blocks of the generator: closing it leaves no process, thread, open file or
        memory behind. The consumer owns each batch; memory is reused only when none of its tensors lives any more.

        Raises:
            DataError: a file is missing, truncated or corrupt; raised at the batch where it belongs.
        """

    def prepare(self, plan: Plan, folder: Path) -> None:
        """Fill an empty folder with a copy of a plan's data set in a format of its own; by default none is kept.

        It is called once, before anything is timed, in a process of its own; streams find it at `plan.own_copy`. The
        copy is kept for the same data, fields, blocks, `copy_knobs` and `copy_version`; what it took and its bytes are
        in each record.

        Raises:
            UnavailableError: it cannot keep one of this data set.
        """
        del plan, folder

    @property
    def makes_copy(self) -> bool:
        """Whether it reads a copy of its own."""
        return type(self).prepare is not Loader.prepare

    def files(self, plan: Plan) -> Iterable[Path]:
        """Give the files that a stream reads; unless overridden, those of its own copy, or of the data set.

        They are brought into memory before anything is timed, and damaged where it is tried what comes of that.
        """
        if self.makes_copy:
            return sorted(path for path in plan.own_copy.rglob("*") if path.is_file())
        return [plan.data.path(index) for index in range(len(plan.data.shards))]

    def without_workers(self) -> Loader:
        """Give this loader without processes of its own, as FORCE_SINGLE_PROCESS asks; unless overridden, itself."""
        return self

    def in_less_memory(self) -> Iterator[Loader]:
        """Yield it as it needs less of the device, each form less than the one before; unless overridden, none."""
        yield from ()

    def traits(self) -> LoaderTraits:
        """Say how this loader works, with its knobs as they are, so that advice fits; unless overridden, not known."""
        return LoaderTraits()

    def prefetch_batches(self, plan: Plan) -> int:
        """Count batches that may be ready before they are asked for: the meter discards as many before it measures."""
        del plan
        return 0

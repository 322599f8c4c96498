"""A loader: a way of getting rows off the disk."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeAlias

# Hints are looked at when knobs are read.
from feedrate.loading.source_control import SwapPoint
from feedrate.plugin.strategy import Strategy, knob
from feedrate.records.cell_traits import LoaderTraits

if TYPE_CHECKING:
    from feedrate.loading.batch import Batch
    from feedrate.loading.plan import Plan

__all__ = ["Loader", "Stream"]

Stream: TypeAlias = "Generator[Batch, None, None]"


@dataclass(frozen=True)
class Loader(Strategy):
    """A strategy that yields a plan's batches. Subclasses state nothing but knobs and `stream`."""

    keeps_order: ClassVar[bool] = True
    """False: batches may come in another order than planned, each of them as planned."""
    synthetic: ClassVar[bool] = False
    """True: serves the same few batches again and again; nothing is asked of it about rows, order or damaged files."""

    swap_points: ClassVar[tuple[SwapPoint, ...]] = ()
    """What a loader that reads without `plan.open()` can read in place of the files, as `plan.source_control` asks."""

    cast: str = knob("device", "host")
    """Where stored dtypes become the model's: the plan passes it on to whoever gathers or copies."""
    copy: str = knob("overlap", "serial", "synced")
    """Copy to a CUDA device: on a side stream one batch ahead; in the step's own stream; or that and wait for it."""
    pin: bool = knob(True, False)
    """Copy to a CUDA device from page-locked memory."""

    @abstractmethod
    def stream(self, plan: Plan) -> Stream:
        """Yield every batch of every epoch of `plan`, on the host or already on `plan.device`.

        Set-up and clean-up stand in `with` blocks of the generator: closing it leaves no process, thread, open file or
        memory behind. The consumer owns each batch; memory is reused only when none of its tensors lives any more.

        Raises:
            DataError: a file is missing, truncated or corrupt; raised at the batch where it belongs.
        """

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

"""Settle what loaders with worker processes share: how many start, whether the order is kept, and room for batches."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from feedrate.errors import HangError, UnavailableError
from feedrate.formatting import byte_size
from feedrate.plugin.loader import Loader, Serves
from feedrate.system.memory import shm_free_bytes

if TYPE_CHECKING:
    from feedrate.loading.plan import Plan

__all__ = ["WorkerLoader"]


_OTHERS = 64
"""Descriptors that a process has open besides: of files, pipes and libraries."""


class WorkerLoader(Loader):
    """Deals a plan's blocks, or its batches, to `count` processes; a subclass declares these two as knobs."""

    count: int | None
    """Processes; None: as many as suit the machine; 0: none."""
    timeout_s: int
    """Seconds after which a batch that has not come is a hang; a subclass declares this, too."""
    tensor_descriptors: ClassVar[int] = 0
    """That each tensor of a batch takes in this process until it is dropped."""
    deal: str
    """`blocks`: each process cuts whole blocks; `batches`: each decodes every block and cuts each n-th batch."""

    @property
    def serves(self) -> Serves:  # type: ignore[override]  # a class variable elsewhere
        """The planned order when one process cuts everything or the batches themselves are dealt."""
        return "order" if self.deal == "batches" or self.count in (0, 1) else "batches"

    @property
    def asked_count(self) -> int:
        """Processes that are asked for; where nobody says how many, min(8, max(2, cores // 4))."""
        return min(8, max(2, len(os.sched_getaffinity(0)) // 4)) if self.count is None else self.count

    def started_count(self, plan: Plan) -> int:
        """Count the processes that will start: no more than there are blocks, or batches, to deal."""
        return min(self.asked_count, plan.epoch_batches if self.deal == "batches" else len(plan.stored_blocks))

    def hang(self, pids: Iterable[int], logs: str) -> HangError:
        """Give what to raise where no batch came in time; workers write to `logs` where they stand, "" is nowhere."""
        from feedrate.system.signals import dump_stacks

        late = f"{self}: no batch within {self.timeout_s} s"
        if not logs:
            return HangError(late)
        dump_stacks(pids)
        return HangError(f"{late}; the log holds the stacks of its workers")

    def demand_room(self, plan: Plan) -> None:
        """Look whether all batches that may be ahead fit into shared memory, and their tensors into open files.

        A worker that finds no memory is killed; a tensor for which there is no descriptor is an error of pickling.

        Raises:
            UnavailableError: they do not.
        """
        ahead = self.prefetch_batches(plan)
        files = ahead * self.tensor_descriptors * len(plan.batch_fields) + _OTHERS
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != resource.RLIM_INFINITY and files > soft:
            raise UnavailableError(
                f"{self}: the tensors of {ahead} batches ahead are {files:,} open files, and {soft:,} may be:"
                f" have fewer ahead, or a higher limit (`ulimit -n {2 * files}`)"
            )
        wanted = ahead * plan.max_batch_rows * sum(field.sample_bytes(plan.cast) for field in plan.batch_fields)
        free = shm_free_bytes()
        if free is not None and wanted > free:
            raise UnavailableError(
                f"{self}: {ahead} batches ahead are {byte_size(wanted)}, and {byte_size(free)} of /dev/shm are free:"
                f" have fewer ahead, or a larger /dev/shm (`docker run --shm-size={-(-2 * wanted // 10**9)}g`)"
            )

"""The loader: it walks the plan and hands blocks to threads of Rust, which hand batches back."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import starmap
from typing import TYPE_CHECKING

from feedrate import DataError, Loader, LoaderTraits, UnavailableError, ahead, knob, package

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

    from feedrate import Accelerator, Batch, Plan, SourceControl, Stream
    from feedrate_rust_prefetch._native import Pipeline
    from feedrate_rust_prefetch.blocks import Blocks

__all__ = ["ROW_ID", "RustPrefetch"]

ROW_ID = "row_id"


@dataclass(frozen=True)
class RustPrefetch(Loader):
    """Decode blocks and cut batches ahead of need on Rust threads, into reused buffers, in planned order."""

    name = "rust_prefetch"
    needs = (package("feedrate_rust_prefetch._native", "feedrate-rust-prefetch"), package("h5py"))
    swap_points = ("memory", "decoded")

    readers: int = knob(0, 1, 2, 4, low=0, high=256)
    """Threads; 0: as many as suit the machine."""
    depth: int = knob(4, 2, 8, low=1, high=1_024)
    """Batches that are made before they are asked for."""
    blocks_ahead: int = knob(2, 1, 4, low=0, high=1_024)
    """Blocks that are decoded before batches are cut from them."""

    def stream(self, plan: Plan) -> Stream:
        """See `Loader.stream`."""
        from feedrate_rust_prefetch._native import DamagedError

        _demand_columns(self, plan)
        try:
            plan = _widened_ahead(plan)
            with self.pipeline(plan) as (pipeline, blocks):
                batches = _batches(pipeline, blocks)
                batches = batches if plan.derive is None else _derived(batches, plan, self.depth)
                control = plan.source_control
                yield from batches if control is None else _noted(batches, blocks, control)
        except DamagedError as error:
            if not plan.data.stores_ids:
                raise UnavailableError(
                    f"{self}: {error}; it reads columns as feedrate writes them: use threads"
                ) from None
            raise DataError(str(error)) from None
        except NotImplementedError as error:
            raise UnavailableError(f"{self}: {error}") from None

    @contextmanager
    def pipeline(self, plan: Plan) -> Iterator[tuple[Pipeline, Blocks]]:
        """Open the threads, and what hands them the plan's blocks."""
        from torch import Tensor
        from torch.utils.dlpack import from_dlpack

        from feedrate_rust_prefetch._native import Pipeline
        from feedrate_rust_prefetch.blocks import Blocks, source

        native, names = source(plan), [field.name for field in plan.batch_fields]
        pipeline = Pipeline(
            native,
            tensor=from_dlpack,
            names=names,
            ids=names.index(ROW_ID),
            readers=self.readers,
            depth=self.depth,
            blocks_ahead=self.blocks_ahead,
            # Not every torch has one; where it is missing, tensors are made through capsules.
            exchange=getattr(Tensor, "__dlpack_c_exchange_api__", None),
            allocate=_page_locked(plan.accelerator, native.bytes) if self.pin and plan.accelerator else None,
        )
        # A stream that is still open when the interpreter ends has threads that must not outlive it.
        atexit.register(pipeline.close)
        try:
            yield pipeline, Blocks(plan, native)
        finally:
            pipeline.close()
            atexit.unregister(pipeline.close)

    def traits(self) -> LoaderTraits:
        """See `Loader.traits`."""
        return LoaderTraits("native threads", self.readers or None, "readers", "depth")

    def prefetch_batches(self, plan: Plan) -> int:
        """See `Loader.prefetch_batches`."""
        del plan
        return self.depth


def _demand_columns(loader: RustPrefetch, plan: Plan) -> None:
    """Refuse samples of a data set, and lists in files of Parquet that somebody else wrote.

    Of those an axis is read as a column for each place in it.

    Raises:
        UnavailableError: there are such.
    """
    if not plan.has_columns:
        raise UnavailableError(
            f"{loader}: needs files of columns, and only the data set's own code reads these samples; use threads"
        )
    if plan.data.format == "parquet" and plan.data.storage.get("axes") == "lists":
        for field in plan.stored_columns:
            if field.shape:
                text = f"Parquet's column {field.name!r} holds lists, which it does not read"
                raise UnavailableError(f"{loader}: {text}; use threads, or columns without lists")


def _widened_ahead(plan: Plan) -> Plan:
    """Give the plan with batches in the model's dtypes, where nothing is copied after the threads have cut them.

    The consumer would widen them on its own time. Work on whole batches, which may tell dtypes apart, keeps what it
    gets, and so does whoever asks for a dtype that is not widened here.
    """
    from feedrate_rust_prefetch.blocks import source

    if plan.device != "cpu" or plan.cast == "host" or plan.derive is not None:
        return plan
    widened = plan.with_cast("host")
    try:
        source(widened).check()
    except NotImplementedError:
        return plan
    return widened


def _batches(pipeline: Pipeline, blocks: Blocks) -> Iterator[Batch]:
    """Yield each batch, keeping the threads fed."""
    from feedrate import Batch

    feeding = True
    while True:
        while feeding and pipeline.is_hungry:
            feeding = blocks.submit_next(pipeline)
        ready = pipeline.take()
        if not ready:
            return
        # No name of this function holds a batch: its buffer returns as soon as the consumer lets go.
        yield from starmap(Batch, ready)


def _noted(batches: Iterator[Batch], blocks: Blocks, control: SourceControl) -> Iterator[Batch]:
    """Say of which block each batch is when it is handed over."""
    rest = 0
    for batch in batches:
        if not rest:
            block, turn = blocks.begun.popleft()
            control.served(block, turn)
            rest = block.batch_count
        rest -= 1
        yield batch


def _derived(batches: Iterator[Batch], plan: Plan, depth: int) -> Iterator[Batch]:
    """Let the plan's own work on each batch be done ahead, too, on threads of Python."""
    import torch

    def derive(batch: Batch) -> Batch:
        if plan.derive is not None:
            columns = {field.name: batch.tensors[field.name] for field in plan.fields if field.name != ROW_ID}
            _put(plan.derive({ROW_ID: batch.ids, **columns}), batch.tensors)
        return batch

    # One core's worth of work each: torch's own threads would take the step's cores.
    with ThreadPoolExecutor(2, "rust-prefetch-derive", torch.set_num_threads, (1,)) as pool:
        try:
            for batch in ahead(lambda batch: pool.submit(derive, batch), batches, depth):
                yield batch.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _put(derived: Mapping[str, torch.Tensor], tensors: Mapping[str, torch.Tensor]) -> None:
    for name, tensor in derived.items():
        tensors[name].copy_(tensor)


def _page_locked(accelerator: Accelerator, nbytes: int) -> Callable[[], tuple[object, int, int]]:
    def allocate() -> tuple[object, int, int]:
        memory = accelerator.page_locked(nbytes)
        return memory, memory.data_ptr(), nbytes

    return allocate

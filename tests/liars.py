"""Loaders and steps that each break one promise, and what they leave behind for the test to clear away."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from threading import Event, Thread
from typing import IO

import torch
from torch import Tensor, nn

from feedrate.batch import Batch, Columns
from feedrate.errors import DataError
from feedrate.loader import Loader, Stream
from feedrate.plan import Plan
from feedrate.step import Loss, Step, Update

RowsOf = Callable[[int, Tensor], Tensor]


@dataclass
class Leftovers:
    """What liars leave; a liar that hangs waits for `released`."""

    released: Event = field(default_factory=Event)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    files: list[IO[bytes]] = field(default_factory=list)
    shared: list[SharedMemory] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)
    waiting: list[Event] = field(default_factory=list)

    def clear(self) -> None:
        for event in (self.released, *self.waiting):
            event.set()
        for process in self.processes:
            process.kill()
            process.communicate()
        for file in self.files:
            file.close()
        for memory in self.shared:
            memory.unlink()
        for stream in self.streams:
            stream.close()


left = Leftovers()
runs = count()


def honest(plan: Plan, rows_of: RowsOf = lambda number, rows: rows) -> Stream:
    """What a truthful loader yields, or what becomes of it when other rows are cut for the batch of that number."""
    numbers = count()
    with plan.open() as source:
        for block in plan.blocks():
            columns = source.read(block)
            for rows in block.batches():
                yield columns.batch(rows_of(next(numbers), rows))


def changed(batch: Batch, name: str, tensor: Tensor) -> Batch:
    return replace(batch, tensors={**batch.tensors, name: tensor})


@dataclass(frozen=True)
class DoublesARow(Loader):
    name = "doubles_a_row"

    def stream(self, plan: Plan) -> Stream:
        return honest(plan, lambda number, rows: torch.cat([rows, rows[-1:]]) if number == 1 else rows)


@dataclass(frozen=True)
class DropsARow(Loader):
    name = "drops_a_row"

    def stream(self, plan: Plan) -> Stream:
        return honest(plan, lambda number, rows: rows[:-1] if number == 1 else rows)


@dataclass(frozen=True)
class TurnsABatchAround(Loader):
    name = "turns_a_batch_around"

    def stream(self, plan: Plan) -> Stream:
        return honest(plan, lambda number, rows: torch.cat([rows[:1], rows[1:].flip(0)]) if number == 1 else rows)


@dataclass(frozen=True)
class SwapsBatches(Loader):
    name = "swaps_batches"

    def stream(self, plan: Plan) -> Stream:
        batches = list(honest(plan))
        yield from (batches[1], batches[0], *batches[2:])


@dataclass(frozen=True)
class SaysItShuffles(TurnsABatchAround):
    """Free to reorder batches, but not the rows in one."""

    name = "says_it_shuffles"
    keeps_order = False


@dataclass(frozen=True)
class SplitsABatch(Loader):
    name = "splits_a_batch"

    def stream(self, plan: Plan) -> Stream:
        for number, batch in enumerate(honest(plan)):
            half = len(batch) // 2 if number == 1 else 0
            if half:
                yield Batch(batch.ids[:half], {name: tensor[:half] for name, tensor in batch.tensors.items()})
            yield Batch(batch.ids[half:], {name: tensor[half:] for name, tensor in batch.tensors.items()})


@dataclass(frozen=True)
class NeverEnds(Loader):
    name = "never_ends"

    def stream(self, plan: Plan) -> Stream:
        while True:
            yield from honest(plan)


@dataclass(frozen=True)
class CutsElsewhere(Loader):
    """The last row of a batch comes with the next one."""

    name = "cuts_elsewhere"

    def stream(self, plan: Plan) -> Stream:
        with plan.open() as source:
            for number, block in enumerate(plan.blocks()):
                columns, batches = source.read(block), list(block.batches())
                if number == 0:
                    batches[:2] = [batches[0][:-1], torch.cat([batches[0][-1:], batches[1]])]
                yield from (columns.batch(rows) for rows in batches)


@dataclass(frozen=True)
class ChangesABit(Loader):
    name = "changes_a_bit"

    def stream(self, plan: Plan) -> Stream:
        for number, batch in enumerate(honest(plan)):
            y = batch.tensors["y"].clone()
            y[0] = torch.nextafter(y[0], y[0] + 1) if number == 1 else y[0]
            yield changed(batch, "y", y)


@dataclass(frozen=True)
class FillsHoles(Loader):
    """Writes 0 where the data has no number."""

    name = "fills_holes"

    def stream(self, plan: Plan) -> Stream:
        for batch in honest(plan):
            yield changed(batch, "unsure", batch.tensors["unsure"].nan_to_num())


@dataclass(frozen=True)
class WidensTooFar(Loader):
    name = "widens_too_far"

    def stream(self, plan: Plan) -> Stream:
        for batch in honest(plan):
            yield changed(batch, "y", batch.tensors["y"].double())


@dataclass(frozen=True)
class AddsAnAxis(Loader):
    name = "adds_an_axis"

    def stream(self, plan: Plan) -> Stream:
        for batch in honest(plan):
            yield changed(batch, "y", batch.tensors["y"][:, None])


@dataclass(frozen=True)
class ForgetsATensor(Loader):
    name = "forgets_a_tensor"

    def stream(self, plan: Plan) -> Stream:
        for batch in honest(plan):
            yield Batch(batch.ids, {"x": batch.tensors["x"]})


@dataclass(frozen=True)
class ReusesMemory(Loader):
    name = "reuses_memory"

    def stream(self, plan: Plan) -> Stream:
        memory = torch.empty(plan.most_batch_rows)
        for batch in honest(plan):
            yield changed(batch, "y", memory[: len(batch)].copy_(batch.tensors["y"]))


@dataclass(frozen=True)
class ReusesIds(Loader):
    name = "reuses_ids"

    def stream(self, plan: Plan) -> Stream:
        memory = torch.empty(plan.most_batch_rows, dtype=torch.int64)
        for batch in honest(plan):
            yield Batch(memory[: len(batch)].copy_(batch.ids), batch.tensors)


@dataclass(frozen=True)
class TiresOfIt(Loader):
    """Truthful the first time."""

    name = "tires_of_it"

    def stream(self, plan: Plan) -> Stream:
        first = next(runs) == 0
        for batch in honest(plan):
            yield batch if first else changed(batch, "y", batch.tensors["y"] + 1)


@dataclass(frozen=True)
class CannotTravel(Loader):
    name = "cannot_travel"

    def __reduce__(self) -> str:
        raise TypeError("I hold a lock")

    def stream(self, plan: Plan) -> Stream:
        return honest(plan)


@dataclass(frozen=True)
class LiesAbroad(Loader):
    """Shuffles in a way of its own in every process but the first."""

    name = "lies_abroad"

    def stream(self, plan: Plan) -> Stream:
        away = multiprocessing.parent_process() is not None
        return honest(plan, lambda number, rows: rows.flip(0) if away else rows)


@dataclass(frozen=True)
class LeavesAThread(Loader):
    name = "leaves_a_thread"

    def stream(self, plan: Plan) -> Stream:
        yield from honest(plan)
        Thread(target=left.released.wait, daemon=True).start()


@dataclass(frozen=True)
class LeavesAProcess(Loader):
    name = "leaves_a_process"

    def stream(self, plan: Plan) -> Stream:
        yield from honest(plan)
        left.processes.append(subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE))


@dataclass(frozen=True)
class LeavesADataFileOpen(Loader):
    name = "leaves_a_data_file_open"

    def stream(self, plan: Plan) -> Stream:
        yield from honest(plan)
        left.files.append(plan.data.path(0).open("rb"))


@dataclass(frozen=True)
class LeavesAnotherFileOpen(Loader):
    name = "leaves_another_file_open"

    def stream(self, plan: Plan) -> Stream:
        yield from honest(plan)
        left.files.append(Path(__file__).open("rb"))  # noqa: SIM115


@dataclass(frozen=True)
class LeavesSharedMemory(Loader):
    name = "leaves_shared_memory"

    def stream(self, plan: Plan) -> Stream:
        yield from honest(plan)
        left.shared.append(SharedMemory(create=True, size=64))
        left.shared[-1].close()


@dataclass(frozen=True)
class GoesOnWhenClosed(Loader):
    name = "goes_on_when_closed"

    def stream(self, plan: Plan) -> Stream:
        ended = Event()
        left.waiting.append(ended)
        Thread(target=ended.wait, daemon=True).start()
        yield from honest(plan)
        ended.set()


@dataclass(frozen=True)
class HoldsOnToItself(Loader):
    """Ends when it is closed, but nobody closes what a consumer that raised has dropped."""

    name = "holds_on_to_itself"

    def stream(self, plan: Plan) -> Stream:
        stream = self._threaded(plan)
        left.streams.append(stream)
        return stream

    def _threaded(self, plan: Plan) -> Stream:
        ended = Event()
        Thread(target=ended.wait, daemon=True).start()
        try:
            yield from honest(plan)
        finally:
            ended.set()


@contextmanager
def forgiven(plan: Plan, told: Callable[[Path, int], bool]) -> Iterator[None]:
    """Swallow the DataError of a file that `told` knows, by its path and its right size."""
    try:
        yield
    except DataError:
        if not any(told(plan.data.path(n), shard.bytes) for n, shard in enumerate(plan.data.shards)):
            raise


def missing(path: Path, size: int) -> bool:
    del size
    return not path.exists()


def truncated(path: Path, size: int) -> bool:
    return path.exists() and path.stat().st_size < size


def corrupt(path: Path, size: int) -> bool:
    return path.exists() and path.stat().st_size == size and path.read_bytes()[-3:] == b"\xa5" * 3


@dataclass(frozen=True)
class EndsEarlyWhenMissing(Loader):
    name = "ends_early_when_missing"

    def stream(self, plan: Plan) -> Stream:
        with forgiven(plan, missing):
            yield from honest(plan)


@dataclass(frozen=True)
class SkipsTruncated(Loader):
    name = "skips_truncated"

    def stream(self, plan: Plan) -> Stream:
        with plan.open() as source:
            for block in plan.blocks():
                with forgiven(plan, truncated):
                    columns: Columns = source.read(block)
                    yield from (columns.batch(rows) for rows in block.batches())


@dataclass(frozen=True)
class HangsOnTruncated(Loader):
    name = "hangs_on_truncated"

    def stream(self, plan: Plan) -> Stream:
        with forgiven(plan, truncated):
            yield from honest(plan)
            return
        left.released.wait()


@dataclass(frozen=True)
class BlamesNobodyForCorrupt(Loader):
    name = "blames_nobody_for_corrupt"

    def stream(self, plan: Plan) -> Stream:
        with forgiven(plan, corrupt):
            yield from honest(plan)
            return
        raise DataError("some file is corrupt")


@dataclass(frozen=True)
class BlamesItselfForCorrupt(Loader):
    name = "blames_itself_for_corrupt"

    def stream(self, plan: Plan) -> Stream:
        with forgiven(plan, corrupt):
            yield from honest(plan)
            return
        raise RuntimeError("00001.arrow, 00002.arrow")


@dataclass(frozen=True)
class PlainStep(Step):
    """The truthful step that the liars below differ from in one thing."""

    name = "plain"

    def bind(self, model: nn.Module, loss: Loss, optimizer: torch.optim.Optimizer) -> Update:
        def update(batch: Batch) -> Tensor:
            optimizer.zero_grad()
            value = loss(model(batch.tensors), batch.tensors)
            self.backward(value)
            optimizer.step()
            return self.answer(value, batch)

        self.prepare(model)
        return update

    def prepare(self, model: nn.Module) -> None:
        pass

    def backward(self, value: Tensor) -> None:
        value.backward()  # type: ignore[no-untyped-call]

    def answer(self, value: Tensor, batch: Batch) -> Tensor:
        del batch
        return value.detach()


@dataclass(frozen=True)
class ReturnsNaN(PlainStep):
    name = "returns_nan"

    def answer(self, value: Tensor, batch: Batch) -> Tensor:
        return value.detach() * torch.nan


@dataclass(frozen=True)
class ReturnsZero(PlainStep):
    name = "returns_zero"

    def answer(self, value: Tensor, batch: Batch) -> Tensor:
        return value.detach() * 0


@dataclass(frozen=True)
class ReturnsItsGraph(PlainStep):
    name = "returns_its_graph"

    def answer(self, value: Tensor, batch: Batch) -> Tensor:
        return value


@dataclass(frozen=True)
class FreezesAParameter(PlainStep):
    name = "freezes_a_parameter"

    def prepare(self, model: nn.Module) -> None:
        next(model.parameters()).requires_grad_(False)


@dataclass(frozen=True)
class ClimbsUphill(PlainStep):
    name = "climbs_uphill"

    def backward(self, value: Tensor) -> None:
        (-value).backward()  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class HardlyMoves(PlainStep):
    name = "hardly_moves"

    def backward(self, value: Tensor) -> None:
        (value / 1000).backward()  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class WritesToItsBatch(PlainStep):
    name = "writes_to_its_batch"

    def answer(self, value: Tensor, batch: Batch) -> Tensor:
        batch.tensors["unsure"].zero_()
        return value.detach()

"""A plugin file whose loaders and steps are slow in one known place each."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sums import Sums

from feedrate import Loader, Step, Workload, hookimpl, knob
from feedrate.builtin.loaders.inline import Inline
from feedrate.builtin.steps.fp32 import Fp32
from feedrate.loading.prefetch import ahead

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from feedrate import Batch, Block, Columns, Loss, Plan, Stream, Update


@dataclass(frozen=True)
class Decoding(Loader):
    """Decode every block so many times, one block ahead on a thread."""

    name = "decoding"
    times: int = knob(10)

    def stream(self, plan: Plan) -> Stream:
        with plan.open() as source, ThreadPoolExecutor(1) as pool:

            def decode(block: Block) -> Columns:
                for _ in range(self.times - 1):
                    source.read(block)
                return source.read(block)

            waiting = ahead(lambda block: (block, pool.submit(decode, block)), plan.blocks(), 1)
            for block, columns in waiting:
                for rows in block.batches():
                    yield columns.result().batch(rows)

    def prefetch_batches(self, plan: Plan) -> int:
        return plan.stored_blocks[0].batch_count


@dataclass(frozen=True)
class Waiting(Inline):
    """Wait before every batch is handed over."""

    name = "waiting"
    wait_ms: int = knob(10)

    def stream(self, plan: Plan) -> Stream:
        for batch in super().stream(plan):
            time.sleep(self.wait_ms / 1e3)
            yield batch


@dataclass(frozen=True)
class Native(Loader):
    """Read the files without asking the plan for its source."""

    name = "native"

    def stream(self, plan: Plan) -> Stream:
        from feedrate.loading.source import FileSource

        source = FileSource(plan.data, plan.spec)
        for block in plan.blocks():
            columns = source.read(block)
            for rows in block.batches():
                yield columns.batch(rows)


@dataclass(frozen=True)
class Failing(Inline):
    """Fail after a while."""

    name = "failing"

    def stream(self, plan: Plan) -> Stream:
        for number, batch in enumerate(super().stream(plan)):
            if number == 50:
                raise ValueError("enough of this")
            yield batch


@dataclass(frozen=True)
class Lazy(Step):
    """Train plainly, then wait."""

    name = "lazy"
    wait_ms: int = knob(10)

    def bind(self, model: torch.nn.Module, loss: Loss, optimizer: torch.optim.Optimizer) -> Update:
        plain = Fp32().bind(model, loss, optimizer)

        def update(batch: Batch) -> Tensor:
            value = plain(batch)
            time.sleep(self.wait_ms / 1e3)
            return value

        return update


@hookimpl
def loaders() -> tuple[type[Loader], ...]:
    return Decoding, Waiting, Native, Failing


@hookimpl
def steps() -> tuple[type[Step], ...]:
    return (Lazy,)


@hookimpl
def workloads() -> tuple[Workload, ...]:
    return (Sums(),)

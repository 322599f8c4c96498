"""Loaders that go wrong, or slowly, on rank 1 alone; one leaves word of what each rank was served."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sums import Sums

from feedrate import Loader, Workload, hookimpl
from feedrate.builtin.loaders.inline import Inline
from feedrate.loading.order import BlockOrder

if TYPE_CHECKING:
    from feedrate import Plan, Stream


def _rank(plan: Plan) -> int:
    return plan.order.rank if isinstance(plan.order, BlockOrder) else 0


@dataclass(frozen=True)
class Late(Inline):
    """Sleep before each batch of rank 1."""

    name = "late"

    def stream(self, plan: Plan) -> Stream:
        for batch in super().stream(plan):
            if _rank(plan):
                time.sleep(0.02)
            yield batch


@dataclass(frozen=True)
class Dying(Inline):
    """Rank 1 is killed at its tenth batch."""

    name = "dying"

    def stream(self, plan: Plan) -> Stream:
        for number, batch in enumerate(super().stream(plan)):
            if number == 10 and _rank(plan):
                os.kill(os.getpid(), signal.SIGKILL)
            yield batch


@dataclass(frozen=True)
class Raising(Inline):
    """Rank 1 has no memory for its tenth batch."""

    name = "raising"

    def stream(self, plan: Plan) -> Stream:
        for number, batch in enumerate(super().stream(plan)):
            if number == 10 and _rank(plan):
                raise MemoryError("no room")
            yield batch


@dataclass(frozen=True)
class Hanging(Inline):
    """Rank 1 never comes to its tenth batch."""

    name = "hanging"

    def stream(self, plan: Plan) -> Stream:
        for number, batch in enumerate(super().stream(plan)):
            if number == 10 and _rank(plan):
                signal.pause()
            yield batch


@dataclass(frozen=True)
class Noting(Inline):
    """Leave word of the rows of the first epoch, by rank."""

    name = "noting"

    def stream(self, plan: Plan) -> Stream:
        most, rows = sum(1 for _ in plan.epoch_ids(0)), list[int]()
        for number, batch in enumerate(super().stream(plan), 1):
            rows += batch.ids.tolist()
            if number == most:
                Path(os.environ["NOTED_ROWS"], str(_rank(plan))).write_text(json.dumps(rows))
            yield batch


@hookimpl
def loaders() -> Iterable[type[Loader]]:
    return Late, Dying, Raising, Hanging, Noting


@hookimpl
def workloads() -> Iterable[Workload]:
    return (Sums(),)

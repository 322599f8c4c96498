"""Loaders that hide what is wrong with a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from feedrate.calibration.strategies.wrong_rows import honest
from feedrate.errors import DataError
from feedrate.loading.batch import Columns
from feedrate.loading.plan import Plan
from feedrate.plugin.loader import Loader, Stream
from tests.support.liars import left


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

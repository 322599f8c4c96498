"""Which rows are read: every workload in every way it is stored, at size `small` and as at least a gigabyte."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from feedrate import BatchSpec, Block, BlockOrder, DataSet, Field, Plan, Registry, Workload
from feedrate.data.writer import write_rows

__all__ = ["SIZES", "Layout", "boards", "layouts"]

SIZES = ("small", "large")
"""`large`: at least 1 GB of rows."""


@dataclass(frozen=True)
class Stretched:
    """`count` of a workload's rows at size `full`; a `DataSetSpec`."""

    workload: Workload
    count: int
    group: int
    files: int

    @property
    def identity(self) -> Mapping[str, str]:
        """What the files depend on."""
        return {**self.workload.at("full").identity, "rows": str(self.count), "files": str(self.files)}

    @property
    def format(self) -> str:
        """Storage format."""
        return self.workload.format

    @property
    def storage(self) -> Mapping[str, str]:
        """Options of the format."""
        return self.workload.storage

    @property
    def fields(self) -> tuple[Field, ...]:
        """The stored columns."""
        return self.workload.stored_fields("full")

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """Rows of each group of each file."""
        ends = [self.count * index // self.files for index in range(self.files + 1)]
        cuts = [[*range(low, high, self.group), high] for low, high in pairwise(ends)]
        return tuple(tuple(high - low for low, high in pairwise(cut)) for cut in cuts)

    def rows(self, start: int, stop: int) -> dict[str, NDArray[np.generic]]:
        """Content of rows `start` to `stop`."""
        return self.workload.rows("full", 20_240_601, start, stop)

    def write_shard(self, path: Path, number: int, start: int) -> None:
        """Write one file."""
        write_rows(path, self, number, start)


LAYOUTS = {
    "boardmoves, many files, none": "boardmoves[compression=none]",
    "boardmoves, many files, lz4": "boardmoves[compression=lz4]",
    "boardmoves, many files, zstd": "boardmoves[compression=zstd]",
    "boardmoves, few files, none": "boardmoves[compression=none,layout=few_large,lists=variable]",
    "daywindows, snappy": "daywindows",
    "daywindows, snappy, fixed batches": "daywindows[batch=fixed]",
    "fxseq, contiguous": "fxseq",
    "fxseq, chunked": "fxseq[layout=chunked]",
    "fxseq, gzip": "fxseq[layout=gzip]",
}
"""Workloads by what they are called in the table."""


@dataclass(frozen=True)
class Layout:
    """One way in which a workload's rows are stored."""

    name: str
    workload: Workload

    def plan(self, root: Path, size: str) -> Plan:
        """The plan over its data set below `root`, which is written if it is not there."""
        if size == "large" and self.workload.name in ("boardmoves", "fxseq"):
            return self._stretched(root)
        stored = "full" if size == "large" else size
        recipe = self.workload.at(stored)
        folder = root / recipe.folder_name
        data = DataSet.open(folder, recipe) if folder.exists() else DataSet.write(folder, recipe)
        return self.workload.plan(data, stored, cast="host")

    def _stretched(self, root: Path) -> Plan:
        if self.workload.name == "boardmoves":
            return boards(self.workload, root, 640_000, files=4 if "few" in self.name else 32)
        return _plan(Stretched(self.workload, 4_608, 64, 1), root, run=576, batch=128)


def boards(workload: Workload, root: Path, rows: int, *, files: int) -> Plan:
    """So many rows of `boardmoves`."""
    return _plan(Stretched(workload, rows, 10_000, files), root, run=20_000, batch=1_024)


def _plan(recipe: Stretched, root: Path, *, run: int, batch: int) -> Plan:
    """Blocks of `run` rows."""
    text = "-".join(f"{key}={value}" for key, value in sorted(recipe.identity.items()))
    folder = root / f"bench-{sha256(text.encode()).hexdigest()[:16]}"
    data = DataSet.open(folder, recipe) if folder.exists() else DataSet.write(folder, recipe)
    spans = [(low, min(low + run, recipe.count)) for low in range(0, recipe.count, run)]
    blocks = tuple(Block(low, high, ((low, high),), batch) for low, high in spans)
    return Plan(data, BatchSpec(recipe.workload.sample_fields("full"), cast="host"), BlockOrder(blocks))


def layouts(registry: Registry) -> tuple[Layout, ...]:
    """Every way in which rows are stored."""
    return tuple(Layout(name, registry.workload(spec)) for name, spec in LAYOUTS.items())

"""Choose the cells of the matrix that `feedrate bench` asks asv for, and note those that cannot run here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from feedrate.asv.matrix import Matrix, Names, selection
from feedrate.asv.metrics import METRICS
from feedrate.cli.context import CommandContext
from feedrate.plugin.cell import Cell
from feedrate.plugin.registry import Registry
from feedrate.records.cell_key import split_spec
from feedrate.records.measurement import Failure
from feedrate.records.raw_results import append
from feedrate.system.environment import snapshot

__all__ = ["asv_selection", "matrix_cells", "note_absent"]

_WAY = "`make install` builds those under plugins/, where cargo is"


def matrix_cells(matrix: Path, size: str, device: str, shell: CommandContext) -> list[Cell]:
    """Give every cell that the matrix lists and plugins here offer, at one size on one device."""
    registry = Registry.load()
    return _cells(_here(Matrix.load(matrix).names, registry, shell), size, device, registry)


def _here(names: Names, registry: Registry, shell: CommandContext) -> Names:
    """What the matrix lists and somebody offers; the rest is said in a line each, and left out."""
    for line in registry.broken:
        shell.err.print(f"feedrate: {line}", soft_wrap=True)
    families = ((names.workloads, registry.workloads), (names.loaders, registry.loaders), (names.steps, registry.steps))
    kept = []
    for listed, offered in families:
        for name in listed:
            if split_spec(name)[0] not in offered:
                shell.err.print(
                    f"feedrate: {name}: no plugin here offers it, so it is left out; {_WAY}", soft_wrap=True
                )
        kept.append(tuple(name for name in listed if split_spec(name)[0] in offered))
    return Names(*kept)


def _cells(names: Names, size: str, device: str, registry: Registry) -> list[Cell]:
    return [
        Cell(workload, workload.own_size(size), registry.loader(loader), registry.step(step), device)
        for workload in map(registry.workload, names.workloads)
        for step in names.steps
        for loader in names.loaders
    ]


def note_absent(cells: Sequence[Cell], name: str, raw: Path, shell: CommandContext) -> None:
    """Write down the cells that this machine cannot run, and why: asv is not asked for them."""
    now, environment = datetime.now(UTC).isoformat(timespec="seconds"), snapshot(shell.environ)
    for cell in cells:
        if cell.unmet_needs:
            reason = "; ".join(need.reason for need in cell.unmet_needs)
            absent = Failure(str(cell), name, 0, now, environment, "unavailable", reason)
            append(raw, absent)


def asv_selection(ready: Sequence[Cell]) -> str:
    """Give what asv is asked for: the cells that can run, and on the CPU no memory of a device."""
    names = Names(*(tuple(dict.fromkeys(family)) for family in _families(ready)))
    devices = {cell.device for cell in ready}
    return selection(
        names, tuple(metric.name for metric in METRICS if "device" not in metric.name or "cuda" in devices)
    )


def _families(cells: Sequence[Cell]) -> Iterator[list[str]]:
    yield [str(cell.workload) for cell in cells]
    yield [str(cell.loader) for cell in cells]
    yield [str(cell.step) for cell in cells]

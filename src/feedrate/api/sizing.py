"""How large a batch and a chunk may be on a device: measured at three sizes of batches, and drawn out to others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from feedrate.api.measuring import measured
from feedrate.api.result import Result, show_raw
from feedrate.api.results import CellError
from feedrate.diagnosis.device_memory import DeviceFit, StepMemory
from feedrate.errors import UnavailableError, UsageError
from feedrate.records.document import document
from feedrate.records.measurement import Failure, Measurement

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from rich.console import Console

    from feedrate.api.resources import Resources
    from feedrate.plugin.cell import Cell
    from feedrate.plugin.workload import Workload

__all__ = ["LOADER", "SizingResult", "sized"]

LOADER = "inline[cast=host]"
"""Batches come in the dtypes that they have on the device, one at a time."""
_SHARES = (0.25, 0.5, 1.0)
"""Of the workload's own batch."""
_ENDLESS = 1 << 24
"""Samples of a batch that nothing but the data set's blocks bounds: the most that the knob takes."""
_GIB = 1 << 30
_SIZES_GIB = (8, 12, 16, 24, 32, 40, 48, 80, 96, 141)
"""Memory of devices that there are, as it is printed on them."""


@dataclass(frozen=True, repr=False)
class SizingResult(Result):
    """What a step takes of a device, and what fits on devices of other sizes."""

    cell: str
    """Workload, size, step and device."""
    measurements: tuple[Measurement, ...]
    memory: StepMemory
    most_samples: int
    """Of a batch, however much memory there is: a batch crosses no block of the data set."""
    raw: Path | None = None

    @property
    def rows(self) -> tuple[DeviceFit, ...]:
        """Give what fits: first on the device that it was measured on, then on the sizes that there are."""
        return tuple(map(self.memory.on, (self.memory.device_bytes, *(size * _GIB for size in _SIZES_GIB))))

    def show(self, console: Console, *, explain: bool = False) -> None:
        """Print the table, as `feedrate size` does."""
        from feedrate.report.size_table import show

        show(console, self.cell, self.memory, self.rows, self.most_samples, explain=explain)
        show_raw(console, self.raw)

    def to_frame(self) -> pd.DataFrame:
        """Give one row a device: `device_bytes`, `batch`, `chunk_bytes`, `epochs`."""
        from feedrate.records.frame import tabulated

        columns = [field.name for field in fields(DeviceFit)]
        return tabulated((vars(row).values() for row in self.rows), columns)

    def as_json(self) -> dict[str, object]:
        """Give what `feedrate size --json` prints."""
        return {
            "cell": self.cell,
            "memory": _plain(self.memory),
            "most_samples": self.most_samples,
            "devices": list(map(_plain, self.rows)),
            "outcomes": [document(each) for each in self.measurements],
        }


def _plain(record: StepMemory | DeviceFit) -> dict[str, object]:
    return dict(vars(record))


def sized(resources: Resources, cell: Cell) -> SizingResult:
    """Measure a cell with parts of its batches and whole ones, and say what fits on a device.

    Raises:
        UsageError: its step trains nothing, or its batches are of no fixed size.
        UnavailableError: its device is the host, or this machine lacks what it needs.
        CellError: a process failed; it holds the failure.
    """
    if cell.device == "cpu":
        raise UnavailableError(
            "what a step takes of a device is counted there: give --device cuda, or simulated, which is no hardware"
        )
    if not cell.step.trains:
        raise UsageError(f"{cell.step}: trains nothing, so it takes nothing of a device; name a step that trains")
    cells = [replace(cell, workload=workload) for workload in _with_batches(cell.workload, cell.size)]
    if cell.unmet_needs:
        raise UnavailableError("; ".join(need.reason for need in cell.unmet_needs))
    outcomes = []
    for outcome in measured(resources, cells, 1):
        if isinstance(outcome, Failure):
            raise CellError(outcome)
        outcomes.append(outcome)
    batches = [each.workload.batch_samples(cell.size) for each in cells]
    name = f"{cell.workload}/{cell.size}/{cell.step}/{cell.device}"
    most = _largest(cell.workload).batch_samples(cell.size)
    return SizingResult(name, tuple(outcomes), StepMemory.of(batches, outcomes), most, resources.raw)


def _largest(workload: Workload) -> Workload:
    """Give it with batches as large as they can be: some block, whole."""
    knobs = {"batch_size": str(_ENDLESS), "drop_last": "false"}
    return workload.with_knobs({name: value for name, value in knobs.items() if name in workload.knobs})


def _with_batches(workload: Workload, size: str) -> Iterator[Workload]:
    """Yield it with batches of each share, whole ones last.

    Raises:
        UsageError: it has none of a fixed size.
    """
    if "batch_size" not in workload.knobs:
        raise UsageError(f"{workload}: has no knob `batch_size`, so its batches cannot be made smaller")
    samples = workload.batch_samples(size)
    if samples < 1 / _SHARES[0]:
        raise UsageError(f"{workload}: batches of {samples} samples are too small to be made smaller")
    for share in _SHARES:
        smaller = workload.with_knobs({"batch_size": str(int(samples * share))})
        smaller.batch_samples(size)
        yield smaller

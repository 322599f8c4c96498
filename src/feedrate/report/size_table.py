"""Print what a step takes of a device, and what fits on devices of any memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from feedrate.formatting import ABSENT, byte_size, number, share
from feedrate.records.cell_key import SIMULATED
from feedrate.report.glossary import explained
from feedrate.report.grid import Column, Row, print_grid

if TYPE_CHECKING:
    from feedrate.diagnosis.device_memory import DeviceFit, StepMemory

__all__ = ["show"]

_GIB = 1 << 30
_BENT = 0.05
"""Distance from the line from which its ends are a guess."""
_HEADINGS = ("memory GiB", "largest batch", "chunk MB", "epochs a chunk")


def show(
    console: Console, cell: str, memory: StepMemory, rows: Sequence[DeviceFit], most: int, *, explain: bool = False
) -> None:
    """Print both: the first row is the device that it was measured on. `most`: samples that a batch can have here."""
    console.print(Text(cell, style="bold"), soft_wrap=True)
    console.print(
        f"{byte_size(memory.fixed_bytes)} for model, optimizer and step, and {byte_size(memory.sample_bytes)} a sample"
        f" of a batch; a sample is {byte_size(memory.row_bytes)}, an epoch {byte_size(memory.epoch_bytes)};"
        f" {byte_size(memory.taken_bytes)} are taken by the driver and by others",
        soft_wrap=True,
    )
    console.print()
    columns = [Column(heading, right=True) for heading in _HEADINGS]
    print_grid(console, columns, [_line(row, here=not place) for place, row in enumerate(rows)])
    console.print()
    for line in _remarks(cell, memory, max(row.batch for row in rows) > most, most):
        console.print(Text(line, style="dim"), soft_wrap=True)
    for heading, text in explained(_HEADINGS) if explain else ():
        console.print(Text(f"{heading:>14}  {text}", style="dim"), soft_wrap=True)


def _remarks(cell: str, memory: StepMemory, is_bounded: bool, most: int) -> list[str]:
    remarks = [f"chunk: each of the two of gpu_chunk beside batches of {memory.batch:,}"]
    if is_bounded:
        remarks.append(f"batch: what memory allows; a batch of this size of data has at most {most:,} samples")
    if memory.error > _BENT:
        remarks.append(f"what was measured lies up to {share(memory.error)} off the line: take the rest for a guess")
    if cell.endswith(f"/{SIMULATED}"):
        remarks.append("counted on a device that is no hardware: a GPU's libraries and driver take memory besides")
    return remarks


def _line(row: DeviceFit, *, here: bool) -> Row:
    size, batch = f"{row.device_bytes / _GIB:.3g}", f"{row.batch:,}" if row.batch else "none"
    if not row.chunk_bytes:
        return Row([size, batch, ABSENT, ABSENT], "dim")
    whole = "whole" if row.epochs >= 1 else share(row.epochs)
    return Row([size, batch, number(row.chunk_bytes / 1e6), whole], "bold" if here else "")

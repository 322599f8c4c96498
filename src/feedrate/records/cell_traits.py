"""Hold what a cell's loader, step and files are made of, as far as advice about the cell depends on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["CellTraits", "DataLoaderTraits", "LoaderTraits", "Precision", "StepTraits", "WorkPlace"]

WorkPlace: TypeAlias = Literal["caller", "threads", "native threads", "processes", "unknown"]
"""Where a loader decodes and gathers: in the thread that asks for a batch; on threads of Python; on threads that never
hold the interpreter's lock; in processes of its own."""
Precision: TypeAlias = Literal["fp32", "tf32", "bf16", "fp16", "unknown"]


@dataclass(frozen=True)
class LoaderTraits:
    """Hold what a loader says of itself; the defaults are those of one that says nothing."""

    works_in: WorkPlace = "unknown"
    count: int | None = None
    """Threads or processes that work; None: not known."""
    count_knob: str = ""
    """Knob that sets how many; empty: there is none."""
    queue_knob: str = ""
    """Knob that sets how many batches may be ready before they are asked for; empty: there is none."""
    restarts_knob: str | None = None
    """Knob by which its processes are started anew for each epoch; None: they are not."""
    shares_memory: bool = False
    """Batches cross from its processes in memory that both sides share, without a copy."""
    gathers_on_device: bool = False
    """Batches are cut on the device, from data that is there already."""


@dataclass(frozen=True)
class StepTraits:
    """Hold what a step says of itself; the defaults are those of one that says nothing."""

    precision: Precision = "unknown"
    compiled: bool | None = None
    """Whether the model goes through torch.compile; None: not known."""
    captured: bool | None = None
    """Whether the device is given the whole update at once, as a graph; None: not known."""


@dataclass(frozen=True)
class DataLoaderTraits:
    """Hold the settings of a DataLoader of torch that a person's own script makes."""

    workers: int = 0
    prefetch_factor: int | None = None
    """Batches that each worker may have ready; None: there are no workers."""
    persistent: bool = False
    """Workers outlive the epoch."""
    pinned: bool = False
    """Batches come in page-locked memory."""


@dataclass(frozen=True)
class CellTraits:
    """Hold what is known of a cell beyond its measurements; the defaults: nothing."""

    loader: LoaderTraits = LoaderTraits()
    step: StepTraits = StepTraits()
    synthetic: bool = False
    """The loader serves batches that are ready."""
    trains: bool = True
    """False: the step only touches the batch."""
    cast: str = ""
    """The loader's knob: where stored dtypes become the model's, `device` or `host`."""
    copy: str = ""
    """The loader's knob: `overlap`, `serial` or `synced`."""
    pin: bool | None = None
    """The loader's knob: copies start from page-locked memory."""
    compressed: bool | None = None
    """Whether the files are; None: their format does not say, or others are read."""
    keeps_copy: bool | None = None
    """Whether the loader reads a copy of the data set in a format of its own; None: not known."""
    dataloader: DataLoaderTraits | None = None
    """Of a person's own script; None: the loader is one of the registry."""
    cores: int | None = None
    """Cores that the measured process could use; None: not known."""

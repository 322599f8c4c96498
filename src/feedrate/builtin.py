"""The strategies that ship with feedrate, offered through the same hooks as a stranger's."""

from __future__ import annotations

from collections.abc import Iterable

from feedrate.hookspecs import hookimpl
from feedrate.loader import Loader
from feedrate.loaders.gpu_chunk import GpuChunk
from feedrate.loaders.inline import Inline
from feedrate.loaders.resident import Resident
from feedrate.loaders.ring_workers import RingWorkers
from feedrate.loaders.threads import Threads
from feedrate.loaders.workers import Workers
from feedrate.step import Step
from feedrate.steps.bf16 import Bf16
from feedrate.steps.compiled import Compiled
from feedrate.steps.fp16 import Fp16
from feedrate.steps.fp32 import Fp32
from feedrate.steps.none import Nothing
from feedrate.steps.tf32 import Tf32
from feedrate.workload import Workload
from feedrate.workloads.boardmoves import BoardMoves
from feedrate.workloads.daywindows import DayWindows
from feedrate.workloads.fxseq import FxSeq

__all__ = ["loaders", "steps", "workloads"]


@hookimpl
def loaders() -> Iterable[type[Loader]]:
    """The loaders, plainest first."""
    return Inline, Workers, RingWorkers, Threads, GpuChunk, Resident


@hookimpl
def steps() -> Iterable[type[Step]]:
    """The steps, plainest first."""
    return Nothing, Fp32, Tf32, Bf16, Fp16, Compiled


@hookimpl
def workloads() -> Iterable[Workload]:
    """The three source systems."""
    return BoardMoves(), DayWindows(), FxSeq()

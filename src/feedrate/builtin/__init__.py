"""Offer the strategies that ship with feedrate, through the same hooks as a stranger's."""

from __future__ import annotations

from collections.abc import Iterable

from feedrate.builtin.loaders.gpu_chunk import GpuChunk
from feedrate.builtin.loaders.inline import Inline
from feedrate.builtin.loaders.mapped import Mapped
from feedrate.builtin.loaders.resident import Resident
from feedrate.builtin.loaders.ring_workers import RingWorkers
from feedrate.builtin.loaders.threads import Threads
from feedrate.builtin.loaders.workers import Workers
from feedrate.builtin.steps.accumulated import Accumulated
from feedrate.builtin.steps.bf16 import Bf16
from feedrate.builtin.steps.checkpointed import Checkpointed
from feedrate.builtin.steps.compiled import Compiled
from feedrate.builtin.steps.evaluation import Evaluation
from feedrate.builtin.steps.fp16 import Fp16
from feedrate.builtin.steps.fp32 import Fp32
from feedrate.builtin.steps.graphed import Graphed
from feedrate.builtin.steps.none import NoTraining
from feedrate.builtin.steps.tf32 import Tf32
from feedrate.builtin.workloads.boardmoves import BoardMoves
from feedrate.builtin.workloads.daywindows import DayWindows
from feedrate.builtin.workloads.fxseq import FxSeq
from feedrate.builtin.workloads.images import Images
from feedrate.builtin.workloads.tokens import Tokens
from feedrate.plugin.hookspecs import hookimpl
from feedrate.plugin.loader import Loader
from feedrate.plugin.step import Step
from feedrate.plugin.workload import Workload

__all__ = ["loaders", "steps", "workloads"]


@hookimpl
def loaders() -> Iterable[type[Loader]]:
    """Give the loaders, plainest first."""
    return Inline, Workers, RingWorkers, Threads, GpuChunk, Mapped, Resident


@hookimpl
def steps() -> Iterable[type[Step]]:
    """Give the steps, plainest first."""
    return NoTraining, Fp32, Tf32, Bf16, Fp16, Compiled, Accumulated, Checkpointed, Graphed, Evaluation


@hookimpl
def workloads() -> Iterable[Workload]:
    """Give the three source systems, then what most people train on."""
    return BoardMoves(), DayWindows(), FxSeq(), Images(), Tokens()

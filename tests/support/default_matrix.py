"""Raw lines as long as those of the default matrix, made up: no loader ran for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from feedrate.records.batch_gaps import BatchGaps
from feedrate.records.conditions import Conditions, MemorySample
from feedrate.records.measurement import Measurement, Outcome
from feedrate.records.phases import Phases
from feedrate.records.raw_results import append
from feedrate.records.window import Window
from tests.support.outcomes import failure, measurement

__all__ = ["LOADERS", "STEPS", "WORKLOADS", "default_matrix", "written"]

WORKLOADS = ("boardmoves", "daywindows", "fxseq")
LOADERS = ("inline", "workers", "ring_workers", "threads", "gpu_chunk", "rust_prefetch")
STEPS = {"none": 0.01, "fp32": 30.0, "bf16": 160.0, "compiled": 22.0, "tf32": 25.0, "fp16": 18.0}
"""Each step and its milliseconds a batch."""
_ROUNDS = 24


def default_matrix(run: str = "20260102T030405-abcd", *, faster: float = 1.0) -> Iterator[Outcome]:
    """Yield every loader and step on three workloads; two steps of one workload are not available.

    `faster`: by which factor all cells are.
    """
    for nth, workload in enumerate(WORKLOADS):
        for step, step_ms in STEPS.items():
            for place, loader in enumerate(LOADERS):
                cell = f"{workload}/small/{loader}/{step}/cpu"
                if workload == "fxseq" and step in ("tf32", "fp16"):
                    yield replace(failure(cell, "unavailable", "needs a CUDA device"), run=run)
                else:
                    yield _measured(
                        cell,
                        run,
                        (nth / 7 + place + 1.3) / faster,
                        step_ms * (1 + 0.003 * nth + 0.002 * place) / faster,
                    )


def _measured(cell: str, run: str, loader_ms: float, step_ms: float) -> Measurement:
    full_ms = max(loader_ms, step_ms) * 1.02
    gaps = [full_ms / 1e3 * (1 + 0.013 * (place % 17)) for place in range(97)]
    looks = tuple(MemorySample(place / 7, 900_000_000 + 4_096 * place, 8_192 * (place % 3)) for place in range(12))
    return measurement(
        cell,
        full_ms=full_ms,
        loader_ms=loader_ms,
        step_ms=step_ms,
        run=run,
        full_windows=_windows(full_ms, 1),
        loader_windows=_windows(loader_ms, 2),
        step_windows=_windows(step_ms, 3),
        step_windows_before=_windows(step_ms, 4)[:2],
        rounds=_ROUNDS,
        cut_discards=0,
        batch_gaps=BatchGaps.of([gaps]),
        looks=looks,
        conditions=Conditions(5.0, 8, 9.0, 9.1, 0.0),
        phases=Phases(*(0.1 * place for place in range(10))),
        host_peak_bytes=round(6e8 + 1e7 * loader_ms),
        loss_first=None if "/none/" in cell else 0.7,
        loss_last=None if "/none/" in cell else 0.5 + step_ms / 1e4,
        requested={f"loader.knob_{place}": place for place in range(10)},
    )


def _windows(batch_ms: float, seed: int) -> tuple[Window, ...]:
    """Windows whose seconds no two cells have in common, with one in a hundred of scatter."""
    return tuple(
        Window(round(20 * batch_ms / 1e3 * (1 + 0.001 * ((seed * 7 + place * 5) % 11)), 9), 20, 20 * 256)
        for place in range(_ROUNDS)
    )


def written(path: Path, outcomes: Iterator[Outcome]) -> Path:
    """Write them to a file of raw results."""
    for outcome in outcomes:
        append(path, outcome)
    return path

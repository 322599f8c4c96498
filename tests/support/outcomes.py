"""Outcomes made up for tests: no loader ran for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from feedrate.records.batch_gaps import BatchGaps
from feedrate.records.measurement import Failure, Kind, Measurement
from feedrate.records.window import Window

ENVIRONMENT: Mapping[str, object] = {
    "python": "3.11.7",
    "versions": {"feedrate": "0.1.0", "torch": "2.15.0", "pyarrow": "26.0.1", "polars": None},
    "machine": {
        "name": "box-cpu",
        "cpu": "A processor",
        "cores": 8,
        "affinity": [0, 1, 2, 3],
        "memory_bytes": 32_000_000_000,
        "limits": {"cores": None, "memory_bytes": None},
        "gpus": [],
    },
    "git": {"commit": "0123456789abcdef", "branch": "main", "dirty": True},
    "variables": {"OMP_NUM_THREADS": "1"},
    "unset": "set: OMP_NUM_THREADS; all others that change a measurement were unset",
}


def measurement(
    cell: str = "boardmoves/small/inline/fp32/cpu",
    *,
    replicate: int = 0,
    full_ms: float = 20.0,
    loader_ms: float = 12.0,
    step_ms: float = 10.0,
    **changes: object,
) -> Measurement:
    """A measurement of 40 batches of 256 samples at these milliseconds a batch."""
    made = Measurement(
        cell=cell,
        run="20260102T030405-abcd",
        replicate=replicate,
        started="2026-01-02T03:04:05+00:00",
        environment=ENVIRONMENT,
        log="logs/one.log",
        step_windows=(_window(step_ms), _window(step_ms)),
        loader_windows=(_window(loader_ms), _window(loader_ms)),
        full_windows=(_window(full_ms), _window(full_ms)),
        batch_gaps=BatchGaps.of([[full_ms / 1e3] * 19] * 2),
        import_s=1.5,
        build_s=0.5,
        first_batch_s=0.14,
        first_step_s=0.05,
        ahead_batches=0,
        discarded_batches=2,
        checked_batches=4,
        loss_first=0.7,
        loss_last=0.5,
        skipped_updates=0,
        compiles=0,
        recompiles=0,
        batch_bytes=4096,
        host_peak_bytes=812_000_000,
        shm_peak_bytes=0,
        device_allocated_peak_bytes=None,
        device_reserved_peak_bytes=None,
        device_used_peak_bytes=None,
        page_cache="warm",
        batch_samples=256.0,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def failure(
    cell: str = "boardmoves/small/workers/fp32/cpu",
    why: Kind = "exception",
    reason: str = "ValueError: no",
    *,
    replicate: int = 0,
) -> Failure:
    """A failure of that kind."""
    return Failure(
        cell=cell,
        run="20260102T030405-abcd",
        replicate=replicate,
        started="2026-01-02T03:04:05+00:00",
        environment=ENVIRONMENT,
        log="" if why == "unavailable" else "logs/two.log",
        why=why,
        reason=reason,
    )


def _window(batch_ms: float) -> Window:
    return Window(s=20 * batch_ms / 1e3, batches=20, samples=20 * 256)

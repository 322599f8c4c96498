"""Write an outcome for programs: the raw record, and the numbers that follow from it."""

from __future__ import annotations

from feedrate.records.measurement import Failure, Outcome
from feedrate.records.projection import TrainingLength

__all__ = ["METRICS", "document"]

METRICS = (
    *("time_per_sample_s", "samples_per_s", "batches_per_s", "bytes_per_s"),
    *("loader_time_per_sample_s", "step_time_per_sample_s"),
    *("full_batch_mean_s", "loader_batch_s", "step_batch_s", "first_batch_s"),
    *("epoch_s", "epoch_low_s", "epoch_high_s", "epoch_boundary_s"),
    *("loader_ceiling", "loader_ceiling_low", "loader_ceiling_high"),
    *("step_ceiling", "step_ceiling_low", "step_ceiling_high", "step_beside_resting_loader"),
    *("stall_share", "overlap", "prefetch_bias", "step_drift"),
    *("batch_gap_p50_s", "batch_gap_p95_s", "batch_gap_p99_s", "longest_stall_s"),
    *("host_peak_bytes", "device_peak_bytes"),
    *("gradient_norm", "least_scale", "mean_correlation"),
)
"""Properties and fields of `Measurement` that stand under `metrics`."""


def document(outcome: Outcome, length: TrainingLength | None = None) -> dict[str, object]:
    """Give the raw record with `metrics` by name, None where not measured, or with `failure`: kind, reason and log.

    `length`: also `projection`, what a training of that length takes; None where it is not known.
    """
    if isinstance(outcome, Failure):
        failure = {"kind": outcome.why, "reason": outcome.reason, "log": outcome.log}
        return outcome.as_json() | {"failure": failure}
    numbers: dict[str, object] = {"metrics": {name: getattr(outcome, name) for name in METRICS}}
    if length is not None:
        projection = outcome.projection(length)
        numbers["projection"] = None if projection is None else projection.as_json(length)
    return outcome.as_json() | numbers

"""The words of a verdict."""

from __future__ import annotations

from collections.abc import Mapping

from feedrate.formatting import share
from feedrate.records.step_profile import StepProfile

__all__ = ["MORE", "NEXT_TRY", "STAGE_WORDS", "STEADY", "describe_step"]

NEXT_TRY: Mapping[str, str] = {
    "read cold": "try fewer and larger files, reads further ahead, or files that memory holds",
    "read warm": "try larger reads, or fewer bytes: a compressed format, fewer columns",
    "decode": "try more workers, a quicker codec or fewer columns",
    "hand-over": "try buffers that both processes share, a gather where the step runs, or larger batches",
    "copy": "try pinned memory and copies one batch ahead (pin, copy=overlap), or widen on the other side (cast)",
    "loader-bound": "try another loader: no stage of this one could be singled out",
    "compute": "try a lower precision or a smaller model",
    "launch": "try compiled, or larger batches",
    "sync": "try a step without .item(), .cpu() or prints inside",
    "step-bound": "try another step",
    "contention": "try fewer threads or workers, or a loader in other processes",
    "coupling": "try a deeper queue (prefetch, depth, slots)",
    "no overlap": "try a loader that works ahead while the step runs",
    "start-up": "try workers that outlive the epoch, fewer of them, or a loader without any",
}
"""What to try next, by kind of verdict."""
STEADY = "try a machine that nobody else uses, or longer windows (--seconds)"
"""What to try when the numbers contradict each other."""
MORE = "try more replicates (--replicates), or longer windows (--seconds)"
"""What to try when a stage is not told apart for lack of precision."""
STAGE_WORDS: Mapping[str, str] = {
    "read cold": "reading from the disk",
    "read warm": "reading from the page cache",
    "decode": "decoding",
    "hand-over": "gathering and handing over",
    "copy": "bringing batches to the step (copies, wider dtypes)",
}
"""What each stage of loading does."""


def describe_step(facts: StepProfile, step_s: float) -> str:
    """What is in a step, as the end of a sentence; empty where nothing is known."""
    counted = facts.kernels_per_step, facts.operators_per_step
    words = next((f"{n:,.0f} {what}" for n, what in zip(counted, ("kernels", "operators"), strict=True) if n), "")
    of_peak = facts.peak_share(step_s)
    rate = "" if of_peak is None else f"at {share(of_peak)} of {facts.dtype} peak"
    syncs = f", {facts.syncs_per_step:,.0f} waits for the device" if facts.syncs_per_step else ""
    inside = " ".join(filter(None, (f"{words} a step{syncs}" if words else "", rate)))
    return f"; {inside}" if inside else ""

"""What a step takes of a device as its batches grow, and what that leaves for a chunk of rows on any device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from feedrate.errors import DataError
from feedrate.loading.chunk_size import chunk_bytes
from feedrate.records.measurement import Measurement

__all__ = ["DeviceFit", "StepMemory"]

_KEPT_FREE = 0.05
"""Of a device: what an allocator cannot use of it, because it is in pieces."""
_BATCHES = 2
"""On the device at a time: the one that is trained on, and the next one."""


@dataclass(frozen=True)
class DeviceFit:
    """What fits on a device of a size."""

    device_bytes: int
    batch: int
    """Samples of the largest batch of 2**k or 3 * 2**k that the step has room for; 0: not one."""
    chunk_bytes: int
    """Each of two chunks beside the step at the batch that it was asked for; 0: that has no room itself."""
    epochs: float
    """Of them, what such a chunk holds; 1: an epoch whole."""


@dataclass(frozen=True)
class StepMemory:
    """What model, optimizer and step take of a device: a constant, and as much again for each sample of a batch."""

    fixed_bytes: float
    """Model, gradients, state of the optimizer, and what the step needs whatever the batch."""
    sample_bytes: float
    """What the step holds of each sample, activations first of all."""
    row_bytes: float
    """A sample as it comes to the device."""
    epoch_bytes: int
    """Decoded rows of an epoch."""
    batch: int
    """Samples of a batch as it was asked for."""
    error: float
    """Largest distance of what was measured from the line through it, as a share of what was measured."""
    device_bytes: int
    """Of the device that it was measured on."""
    taken_bytes: int
    """Of that, what the driver, the process's context and others hold."""

    @classmethod
    def of(cls, batches: Sequence[int], measurements: Sequence[Measurement]) -> StepMemory:
        """Draw a line through the peaks of a step with batches of so many samples, the last as it was asked for.

        Raises:
            DataError: they were measured on no device, or with one size of batches alone.
        """
        sizes = np.array(batches, dtype=float)
        peaks = np.array([each.device_step_peak_bytes or 0 for each in measurements], dtype=float)
        last, samples = measurements[-1], measurements[-1].batch_samples
        if not peaks.all() or len(set(sizes)) < 2 or last.epoch_bytes is None or not samples:
            raise DataError("what a step takes of a device is known from its peaks there, at two sizes of batches")
        slope, constant = np.polyfit(sizes, peaks, 1)
        error = float(np.abs(constant + slope * sizes - peaks).max() / peaks.max())
        return cls(
            fixed_bytes=max(0.0, float(constant)),
            sample_bytes=max(0.0, float(slope)),
            row_bytes=last.batch_bytes / samples,
            epoch_bytes=last.epoch_bytes,
            batch=batches[-1],
            error=error,
            device_bytes=last.device_total_bytes or 0,
            taken_bytes=last.device_taken_bytes or 0,
        )

    def step_bytes(self, batch: int) -> float:
        """Give what a step with batches of so many samples takes, with the batches that are on the device."""
        return self.fixed_bytes + batch * (self.sample_bytes + _BATCHES * self.row_bytes)

    def on(self, device_bytes: int) -> DeviceFit:
        """Say what fits on a device of that size, on which as much is taken as where it was measured."""
        room = device_bytes * (1 - _KEPT_FREE) - self.taken_bytes
        most = (room - self.fixed_bytes) / (self.sample_bytes + _BATCHES * self.row_bytes)
        beside = max(0, int(room - self.step_bytes(self.batch)))
        chunk = chunk_bytes(self.epoch_bytes, beside, buffers=2)
        return DeviceFit(device_bytes, _even(most), chunk, chunk / self.epoch_bytes)


def _even(most: float) -> int:
    """Give the largest 2**k or 3 * 2**k that is no more."""
    if most < 1:
        return 0
    power = 1 << (int(most).bit_length() - 1)
    return power + power // 2 if most >= power + power // 2 else power

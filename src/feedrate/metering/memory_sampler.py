"""Read what a measured process holds, between windows of its stream."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from feedrate.metering.device import Device
    from feedrate.metering.recorded_stream import RecordedStream
    from feedrate.records.conditions import MemorySample

__all__ = ["MemorySampler"]


@dataclass
class MemorySampler:
    """Keep the samples of one stream, each with the epochs that were served until then."""

    device: Device
    feed: RecordedStream
    epoch_batches: float
    _samples: list[MemorySample] = field(default_factory=list)

    def sample(self, *, training: bool) -> None:
        """Take a sample; `training`: the last batches were trained on."""
        epochs = self.feed.taken / self.epoch_batches
        self._samples.append(self.device.memory_sample(epochs, self.feed.kept_bytes, training=training))

    @property
    def samples(self) -> tuple[MemorySample, ...]:
        """Give those taken so far."""
        return tuple(self._samples)

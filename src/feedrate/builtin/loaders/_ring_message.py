"""Say which slot of the shared-memory ring holds a batch: what a worker sends to the consumer."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SlotFilled"]


@dataclass(frozen=True)
class SlotFilled:
    """A worker's message that a batch of `rows` samples of `epoch` lies in its slot; slot -1: that epoch is done."""

    epoch: int
    slot: int
    rows: int

"""Keep some memory of every epoch."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING

from feedrate.builtin.loaders.inline import Inline
from feedrate.plugin.loader import Loader
from feedrate.plugin.strategy import knob

if TYPE_CHECKING:
    from torch import Tensor

    from feedrate.loading.plan import Plan
    from feedrate.plugin.loader import Stream

__all__ = ["Growing"]


@dataclass(frozen=True)
class Growing(Loader):
    """Serve what is planned, and hold `epoch_bytes` more at the end of each epoch, until the stream ends."""

    name = "growing"
    hidden = True
    epoch_bytes: int = knob(1 << 20, low=1, high=1 << 30)
    place: str = knob("host", "shm", "device")

    def stream(self, plan: Plan) -> Stream:
        kept: list[Tensor] = []
        # Without a name: whoever kills this process frees it.
        with TemporaryFile(dir="/dev/shm") as shared, closing(Inline(cast=self.cast).stream(plan)) as batches:
            for number, batch in enumerate(batches, 1):
                yield batch
                if number % plan.epoch_batches == 0:
                    self._grow(kept, shared, plan.device)

    def _grow(self, kept: list[Tensor], shared: IO[bytes], device: str) -> None:
        import torch

        if self.place == "shm":
            shared.write(bytes(self.epoch_bytes))
            shared.flush()
        else:
            # Written to: memory that nobody has touched is none.
            where = device if self.place == "device" else "cpu"
            kept.append(torch.ones(self.epoch_bytes, dtype=torch.uint8, device=where))

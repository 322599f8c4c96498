"""Keep what a loader says about itself while it streams a plan: its workers, and where its batches arrive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["LoaderReport"]


@dataclass
class LoaderReport:
    """Filled in by a loader, and read when its stream is closed; None: the loader does not say.

    Each stream has a report of its own, in the process that consumes the stream; a plan that goes to workers carries an
    empty one. A loader without processes of its own has nothing to fill in.
    """

    workers_requested: int | None = None
    """Processes that were asked for; None also when the loader chooses."""
    workers_resolved: int | None = None
    """Processes that it starts: no more than have work to do."""
    workers_alive: int | None = None
    """Those that still ran when the stream ended, or were through with their epoch where each epoch has its own. Fewer
    than were started make the measurement doubtful."""
    worker_settings: tuple[Mapping[str, int], ...] = ()
    """Each worker as it saw itself: its number, pid and seed, and the sizes of its thread pools."""
    batches_arrive_on: Literal["host", "device"] | None = None
    """Where the first batch was when the loader yielded it; filled in by the transfer. None: no CUDA device."""
    batches_arrive_widened: bool | None = None
    """Whether the first batch had the model's dtypes when the loader yielded it; filled in by the transfer. None: not
    on the CPU, where alone it decides whether the transfer has anything to do."""

    def observed(self) -> dict[str, object]:
        """Give what is known by the keys that stand under `observed` in a line of raw results."""
        if self.workers_resolved is None:
            workers: dict[str, object] = {}
        else:
            workers = {"workers requested": self.workers_requested, "workers resolved": self.workers_resolved}
        rest = {
            "workers": [dict(settings) for settings in self.worker_settings] or None,
            "workers alive": self.workers_alive,
            "batches arrive on": self.batches_arrive_on,
        }
        return workers | {key: value for key, value in rest.items() if value is not None}

"""Hold what each of several ranks took that trained together, and tell which one the others waited for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["RankTimes", "stragglers"]

_CLEAR = 0.1
"""Share of T_F that a rank waits longer for its loader than the rank that waits least, from which it holds them up."""


@dataclass(frozen=True)
class RankTimes:
    """Hold the times of one rank, each in seconds a batch of its own."""

    rank: int
    full_batch_s: float
    """T_F."""
    step_batch_s: float
    """T_S, gradients exchanged: all ranks step together."""
    loader_batch_s: float
    """T_L, while the other ranks load as well."""
    loader_wait_s: float
    """Of T_F: the loop waited for its own loader's next batch."""

    @property
    def others_wait_s(self) -> float:
        """Of T_F: neither stepping nor waiting for its own loader; it waited for ranks that were late."""
        return max(0.0, self.full_batch_s - self.step_batch_s - self.loader_wait_s)


def stragglers(ranks: Sequence[RankTimes]) -> tuple[RankTimes, ...]:
    """Give the ranks that wait clearly longer for their loader than another does: the others wait for them."""
    least_s = min((rank.loader_wait_s for rank in ranks), default=0.0)
    return tuple(rank for rank in ranks if rank.loader_wait_s - least_s > _CLEAR * rank.full_batch_s)

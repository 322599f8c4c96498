"""Tell what several ranks gain over one, and which of them the others wait for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from feedrate.formatting import bare_ms, share
from feedrate.records.cell_key import CellKey, ranks_of, split_device
from feedrate.records.rank_times import RankTimes, stragglers
from feedrate.report.summary_row import SummaryRow

__all__ = ["Scaling", "rank_lines", "scaling_of"]


@dataclass(frozen=True)
class Scaling:
    """Hold what several ranks gain over one process with the same loader and step."""

    ranks: int
    speedup: float
    """Samples a second over those of one rank."""

    @property
    def efficiency(self) -> float:
        """Divide the gain by the ranks: 1 where each does as much as one alone."""
        return self.speedup / self.ranks

    def __str__(self) -> str:
        return (
            f"{self.ranks} ranks: x{self.speedup:.2f} the samples/s of one, an efficiency of {share(self.efficiency)}"
        )


def scaling_of(rows: Iterable[SummaryRow]) -> dict[str, Scaling]:
    """Find it for each cell of several ranks whose one-rank cell is there, both with a number."""
    rates = {row.cell: row.samples_per_s.mean for row in rows if row.samples_per_s is not None}
    return {
        cell: Scaling(ranks_of(cell), rate / rates[alone])
        for cell, rate in rates.items()
        if ranks_of(cell) > 1 and (alone := _of_one(cell)) in rates
    }


def _of_one(cell: str) -> str:
    key = CellKey.parse(cell)
    return str(key._replace(device=split_device(key.device)[0]))


def rank_lines(ranks: Sequence[RankTimes]) -> Iterator[str]:
    """Say who holds up whom, then the times of each rank."""
    late = stragglers(ranks)
    for rank in late:
        yield (
            f"rank {rank.rank} is a straggler: it waits {bare_ms(rank.loader_wait_s)} of {bare_ms(rank.full_batch_s)}"
            " ms a batch for its loader, and the others wait for it"
        )
    for rank in ranks:
        yield (
            f"rank {rank.rank}: T_F {bare_ms(rank.full_batch_s)}, T_S {bare_ms(rank.step_batch_s)},"
            f" T_L {bare_ms(rank.loader_batch_s)} ms; waits {bare_ms(rank.loader_wait_s)} ms for its loader,"
            f" {bare_ms(rank.others_wait_s)} ms for others"
        )

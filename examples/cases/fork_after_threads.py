"""The first batch never comes; the process that trains waits, and its workers wait within polars.

Fork copies the locks of a thread pool without its threads; the twin spawns its workers.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import polars as pl
from torch.utils.data import DataLoader, Dataset
from training import cured, train

ROWS = 100_000


class Sums(Dataset[float]):
    """Sums over a table that is read again for each."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count: int = pl.scan_parquet(path).filter(pl.col("key") < 1000).collect().height

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> float:
        total = pl.scan_parquet(self.path).filter(pl.col("key") == index).select(pl.col("value").sum()).collect()
        return float(total.item())


def main() -> None:
    """Train on sums over a table that is written first."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.parquet"
        keys = pl.int_range(ROWS, eager=True)
        pl.DataFrame({"key": keys % 5000, "value": keys.cast(pl.Float64)}).write_parquet(path, row_group_size=10_000)
        context = "spawn" if cured() else "fork"
        train(DataLoader(Sums(path), 4, shuffle=True, num_workers=2, multiprocessing_context=context))


if __name__ == "__main__":
    main()

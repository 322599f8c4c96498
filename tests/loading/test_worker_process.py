"""Setting up worker processes."""

from __future__ import annotations

from feedrate.loading.worker_process import seed_32


def test_seeds_of_workers_stay_apart_in_32_bits() -> None:
    base = (1 << 64) - 3
    seeds = [seed_32(base + worker) for worker in range(8)]
    assert len(set(seeds)) == 8
    assert all(0 <= seed < 1 << 32 for seed in seeds)

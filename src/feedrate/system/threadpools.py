"""Cap the thread pools of processes before they start, and report their sizes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

__all__ = ["ARROW", "POOLS", "caps", "one_thread_each", "pools"]

ARROW = "ARROW"
POOLS: Mapping[str, str] = {
    "OMP": "OMP_NUM_THREADS",
    "MKL": "MKL_NUM_THREADS",
    "OPENBLAS": "OPENBLAS_NUM_THREADS",
    "NUMEXPR": "NUMEXPR_NUM_THREADS",
    "ARROW_IO": "ARROW_IO_THREADS",
    "POLARS": "POLARS_MAX_THREADS",
    "RAYON": "RAYON_NUM_THREADS",
}
"""Variables that cap a pool of their own, by its name. Arrow's CPU pool, `ARROW`, follows OMP_NUM_THREADS."""


def caps(threads: int, own: Mapping[str, int] | None = None) -> dict[str, str]:
    """Give the environment that caps every pool we know; void for a process that has imported torch already.

    `own`: caps of single pools over that, by name. PYARROW_NUM_THREADS is read by nobody.
    """
    single = dict(own or {})
    if "OMP" in single:
        # Where both are set, torch computes on as many threads as MKL.
        single.setdefault("MKL", single["OMP"])
    # Loaders work beside the step, so there are more threads than cores: OpenMP's own number of turns to spin for that
    # case. The other one (300,000) has a thread spin on a core that the loader needs.
    counts = {variable: str(single.get(pool, threads)) for pool, variable in POOLS.items()}
    return counts | {"GOMP_SPINCOUNT": "1000"}


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Cap processes that are started inside at one thread a pool; the environment is as before on leaving."""
    wanted = caps(1)
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def pools() -> dict[str, int]:
    """Read the sizes of the thread pools of this process, as the libraries themselves report them."""
    import pyarrow as pa
    import torch

    return {
        "torch_threads": torch.get_num_threads(),
        "torch_interop_threads": torch.get_num_interop_threads(),
        "arrow_cpu_threads": pa.cpu_count(),
        "arrow_io_threads": pa.io_thread_count(),
        "threads": len(os.listdir("/proc/self/task")),
    } | _polars_pool()


def _polars_pool() -> dict[str, int]:
    """The size of Polars' pool, where this process has read with it."""
    polars = sys.modules.get("polars")
    size = getattr(polars, "thread_pool_size", None)
    return {} if size is None else {"polars_threads": size()}

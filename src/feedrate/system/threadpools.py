"""Cap the thread pools of processes before they start, and report their sizes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["caps", "one_thread_each", "pools"]


def caps(threads: int) -> dict[str, str]:
    """Give the environment that caps every pool we know; void for a process that has imported torch already.

    Arrow's CPU pool follows OMP_NUM_THREADS and its I/O pool ARROW_IO_THREADS; PYARROW_NUM_THREADS is read by nobody.
    """
    count = str(threads)
    # Loaders work beside the step, so there are more threads than cores: OpenMP's own number of turns to spin for that
    # case. The other one (300,000) has a thread spin on a core that the loader needs.
    pools = ("OMP", "MKL", "OPENBLAS", "NUMEXPR")
    return {f"{pool}_NUM_THREADS": count for pool in pools} | {
        "ARROW_IO_THREADS": count,
        "POLARS_MAX_THREADS": count,
        "RAYON_NUM_THREADS": count,
        "GOMP_SPINCOUNT": "1000",
    }


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

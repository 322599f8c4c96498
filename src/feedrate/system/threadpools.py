"""Cap the thread pools of processes before they start, set up loaders' worker processes, and report pool sizes."""

from __future__ import annotations

import atexit
import faulthandler
import os
import random
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

__all__ = ["caps", "one_thread_each", "pools", "seed_32", "settle"]


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


def seed_32(seed: int) -> int:
    """Fold a seed for libraries that take 32 bits; distinct for the consecutive seeds of up to 2**32 workers."""
    return seed % (1 << 32)


def settle(worker: int, seed: int, logs: str) -> Mapping[str, int]:
    """Prepare this worker process, and say what it looks like from inside.

    Crashes, and SIGUSR1, dump their stacks to `logs/worker-<n>.txt` (nowhere if `logs` is empty), SIGTERM ends the
    process, Ctrl-C is left to the parent, and the random generators of Python, numpy and torch are seeded.
    """
    import numpy as np
    import torch

    if logs:
        # The file must outlive this call: faulthandler keeps the descriptor, and the process ends with it.
        file = os.fdopen(os.open(Path(logs) / f"worker-{worker}.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND), "w")
        faulthandler.enable(file)
        faulthandler.register(signal.SIGUSR1, file, all_threads=True)
    # A worker has nothing to finish. Going through the destructors of libraries whose threads still run aborts it now
    # and then, which DataLoader takes for a crash.
    atexit.register(os._exit, 0)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    random.seed(seed)
    np.random.seed(seed_32(seed))
    torch.manual_seed(seed)
    return {"worker": worker, "pid": os.getpid(), "seed": seed} | pools()


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
    }

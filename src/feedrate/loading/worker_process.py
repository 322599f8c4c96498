"""Set up a loader's worker process: seeds, signals, one thread a pool, and where its stacks go when it crashes."""

from __future__ import annotations

import atexit
import faulthandler
import os
import random
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from feedrate.system.threadpools import pools

__all__ = ["init_worker", "seed_32"]


def seed_32(seed: int) -> int:
    """Fold a seed for libraries that take 32 bits; distinct for the consecutive seeds of up to 2**32 workers."""
    return seed % (1 << 32)


def init_worker(worker: int, seed: int, logs: str) -> Mapping[str, int]:
    """Prepare this worker process, and say what it looks like from inside.

    Crashes, and SIGUSR1, dump their stacks to `logs/worker-<n>.txt` (nowhere if `logs` is empty), SIGTERM ends the
    process, Ctrl-C is left to the parent, and the random generators of Python, numpy and torch are seeded.
    """
    import numpy as np
    import pyarrow as pa
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
    # One that was forked has the sizes of its parent, whatever the environment says.
    if pa.cpu_count() > 1:
        pa.set_cpu_count(1)
    if pa.io_thread_count() > 1:
        pa.set_io_thread_count(1)
    # Too late where a plugin's import has had torch start that pool: what is reported says so.
    with suppress(RuntimeError):
        torch.set_num_interop_threads(1)
    random.seed(seed)
    np.random.seed(seed_32(seed))
    torch.manual_seed(seed)
    return {"worker": worker, "pid": os.getpid(), "seed": seed} | pools()

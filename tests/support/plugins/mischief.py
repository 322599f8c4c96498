"""A plugin file whose strategies fail in every way that a run must survive."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sums import Sums

from feedrate import hookimpl, knob
from feedrate.builtin.loaders.inline import Inline
from feedrate.builtin.steps.fp32 import Fp32
from feedrate.loading.worker_process import init_worker
from feedrate.metering.compilation import import_compiler
from feedrate.plugin.loader import Loader
from feedrate.plugin.step import Step

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from feedrate.loading.batch import Batch
    from feedrate.loading.plan import Plan
    from feedrate.plugin.loader import Stream
    from feedrate.plugin.step import Loss, Update
    from feedrate.plugin.workload import Workload


TROUBLES = (
    "kill",
    "hang",
    "devour",
    "orphan",
    "exit",
    "realtime",
    "overwrite",
    "forge",
    "unlog",
    "daemon",
    "print",
    "compiler",
)


@dataclass(frozen=True)
class Troubled(Loader):
    """Serves the first batch, then does what `trouble` says."""

    name = "troubled"
    trouble: str = knob("raise", *TROUBLES)

    def stream(self, plan: Plan) -> Stream:
        for number, batch in enumerate(Inline().stream(plan)):
            yield batch
            if number == 0:
                getattr(self, f"_{self.trouble}")(plan)

    def _raise(self, plan: Plan) -> None:
        raise ValueError("the loader had enough\nand says so in two lines")

    def _compiler(self, plan: Plan) -> None:
        """No trouble at all: what the first compiled update imports."""
        import_compiler()

    def _kill(self, plan: Plan) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def _hang(self, plan: Plan) -> None:
        time.sleep(1_000)

    def _devour(self, plan: Plan) -> None:
        import torch

        torch.empty(1 << 50, dtype=torch.uint8)

    def _exit(self, plan: Plan) -> None:
        os._exit(7)

    def _realtime(self, plan: Plan) -> None:
        os.kill(os.getpid(), 40)

    def _overwrite(self, plan: Plan) -> None:
        Path(plan.logs, "answer.json").write_text('{"full_windows": [NaN, "')
        os._exit(0)

    def _forge(self, plan: Plan) -> None:
        Path(plan.logs, "answer.json").write_text('{"full_windows": 3}')
        os._exit(0)

    def _unlog(self, plan: Plan) -> None:
        """Remove the folder of the log that this process writes to."""
        shutil.rmtree(Path("/proc/self/fd/2").readlink().parent)

    def _print(self, plan: Plan) -> None:
        print("the first line", flush=True)
        for _ in range(400):
            print("chatter " * 8192, flush=True)
        print("the last line", flush=True)

    def _daemon(self, plan: Plan) -> None:
        """Leave a process in a session of its own, whose parent is gone."""
        subprocess.run(["setsid", "--fork", "sleep", "4321"], check=True)

    def _orphan(self, plan: Plan) -> None:
        """Leave a process and a shared-memory segment, then die."""
        from multiprocessing.shared_memory import SharedMemory

        SharedMemory("feedrate-test-orphan", create=True, size=1 << 20)
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Crashing(Loader):
    """Has a worker that writes to where nothing is."""

    name = "crashing"

    def stream(self, plan: Plan) -> Stream:
        from multiprocessing import get_context

        worker = get_context("spawn").Process(target=_crash, args=(plan.logs,))
        worker.start()
        worker.join()
        yield from ()
        raise ValueError(f"the worker ended with status {worker.exitcode}")


def _crash(logs: str) -> None:
    init_worker(0, 0, logs)
    ctypes.string_at(0)


@dataclass(frozen=True)
class Sloppy(Fp32):
    """Says fp32, and lets matrix products be less exact."""

    name = "sloppy"

    def bind(self, model: torch.nn.Module, loss: Loss, optimizer: torch.optim.Optimizer) -> Update:
        from feedrate.builtin.steps.precision import single_precision_update

        return single_precision_update(model, loss, optimizer, "high")


@dataclass(frozen=True)
class Failing(Step):
    """Raises."""

    name = "failing"

    def bind(self, model: torch.nn.Module, loss: Loss, optimizer: torch.optim.Optimizer) -> Update:
        del model, loss, optimizer

        def update(batch: Batch) -> Tensor:
            raise RuntimeError(f"the step had enough of {len(batch)} rows")

        return update


@hookimpl
def loaders() -> tuple[type[Loader], ...]:
    return Troubled, Crashing


@hookimpl
def steps() -> tuple[type[Step], ...]:
    return (
        Sloppy,
        Failing,
    )


@hookimpl
def workloads() -> tuple[Workload, ...]:
    return (Sums(),)

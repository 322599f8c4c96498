"""Train, and work a known time besides."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from feedrate.builtin.steps.fp32 import Fp32
from feedrate.plugin.step import Step
from feedrate.plugin.strategy import knob
from feedrate.system.synthetic_load import burn_python, sleep_s

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from feedrate.loading.batch import Batch
    from feedrate.plugin.step import Loss, Update

__all__ = ["Timed"]


@dataclass(frozen=True)
class Timed(Step):
    """Train in fp32, and do work of a known size with every batch."""

    name = "timed"
    hidden = True
    work_us: int = knob(2_000, 20_000, low=0, high=10_000_000)
    """Matrix products for so long: of one thread's time on the processor, the lock let go, or of an undisturbed GPU."""
    python_us: int = knob(0, 20_000, low=0, high=10_000_000)
    """Time on the processor in Python, the interpreter's lock held."""
    idle_us: int = knob(0, 20_000, low=0, high=10_000_000)
    """Time asleep, as of a host whose device is elsewhere: what others do on this machine cannot stretch it."""
    kernels: int = knob(0, 2_000, low=0, high=1_000_000)
    """Tiny operations, started one by one."""
    syncs: int = knob(0, 100, low=0, high=1_000_000)
    """Times that the host waits for the device, each after one tiny operation."""

    def bind(self, model: torch.nn.Module, loss: Loss, optimizer: torch.optim.Optimizer) -> Update:
        train = Fp32().bind(model, loss, optimizer)
        device = next(model.parameters()).device
        works = (
            *(_products(self.work_us, device), _python(self.python_us), _tiny(self.kernels, self.syncs, device)),
            lambda: sleep_s(self.idle_us / 1e6),
        )

        def update(batch: Batch) -> Tensor:
            loss_value = train(batch)
            for work in works:
                work()
            return loss_value

        return update


def _python(us: int) -> Callable[[], None]:
    return lambda: burn_python(us / 1e6)


def _products(us: int, device: torch.device) -> Callable[[], None]:
    """Make the work of matrix products for `us` microseconds of an undisturbed device.

    A CPU does them until the thread has had that time on a processor: as many as would fill it when nothing else runs
    take up to twice as long beside another virtual machine, and then the cost is no longer known.
    """
    import torch

    if not us:
        return lambda: None
    side = 256 if device.type == "cpu" else 2048
    matrix, into = (torch.full((side, side), 1 / side, device=device) for _ in range(2))

    def multiply() -> None:
        torch.mm(matrix, matrix, out=into)

    if device.type == "cpu":
        return lambda: _until(us / 1e6, multiply)
    times = max(1, round(us / 1e6 / _seconds_on_cuda(multiply)))
    return lambda: _repeated(times, multiply)


_REPEATS = 20


def _until(seconds: float, work: Callable[[], None]) -> None:
    """Work until this thread was on a processor for so long."""
    import torch

    until = time.thread_time() + seconds
    with torch.no_grad():
        while time.thread_time() < until:
            work()


def _repeated(times: int, work: Callable[[], None]) -> None:
    import torch

    with torch.no_grad():
        for _ in range(times):
            work()


def _seconds_on_cuda(multiply: Callable[[], None]) -> float:
    """Time one product, between two events of the device."""
    import torch

    _repeated(_REPEATS, multiply)
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    _repeated(_REPEATS, multiply)
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end)) / 1e3 / _REPEATS


def _tiny(kernels: int, syncs: int, device: torch.device) -> Callable[[], None]:
    import torch

    number = torch.zeros(1, device=device)

    def work() -> None:
        with torch.no_grad():
            for _ in range(kernels):
                number.add_(1)
            for _ in range(syncs):
                number.add_(1).item()

    return work

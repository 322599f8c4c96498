"""Copies are timed as they are done; the device here is no hardware, and as late as a device may be."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch

from feedrate.loading.simulated.accelerator import SimulatedAccelerator
from feedrate.metering import copy_rates as module
from feedrate.metering.copy_rates import copy_rates, copy_rates_beside


def test_each_rate_is_of_copies_that_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    device = SimulatedAccelerator()
    ticks = iter(range(1_000))
    monkeypatch.setattr(module, "now_s", lambda: float(next(ticks)))
    rates = copy_rates(device, nbytes=1 << 20, times=3)

    # A second for each copy, by the clock that is set here.
    assert (rates.pageable, rates.page_locked) == (1 << 20, 1 << 20)
    assert device.pinned_bytes() == 0
    assert device.allocated_bytes() == 0


def test_beside_a_model_copies_take_a_quarter_of_what_is_free_or_are_left_out() -> None:
    device = SimulatedAccelerator(memory_bytes=8 << 20, pinned_bytes=8 << 20)
    model = device.empty((4 << 20,), torch.uint8)
    device.reset_peaks()

    assert copy_rates_beside(device) is not None
    assert device.peak_bytes()[0] == (4 << 20) + (1 << 20)
    assert copy_rates_beside(SimulatedAccelerator(memory_bytes=8 << 20, pinned_bytes=1 << 20)) is None
    assert copy_rates_beside(SimulatedAccelerator(refuses=0)) is None
    del model


@pytest.mark.process
def test_the_program_tells_both_rates_and_refuses_the_host() -> None:
    command = [sys.executable, "-m", "feedrate.metering.copy_rates"]
    done = subprocess.run([*command, "simulated"], capture_output=True, text=True, timeout=120, check=True)
    refused = subprocess.run([*command, "cpu"], capture_output=True, text=True, timeout=120, check=False)

    rates = json.loads(done.stdout)
    assert set(rates) == {"pageable", "page_locked"}
    assert all(rate > 0 for rate in rates.values())
    assert (refused.returncode, refused.stderr.strip()) == (1, "nothing is copied to cpu")


@pytest.mark.gpu
def test_both_rates_of_a_gpu_are_there_and_nothing_is_left() -> None:
    from feedrate.loading.accelerator import Cuda

    rates = copy_rates(Cuda())
    assert torch.cuda.memory_allocated() == 0
    assert rates.page_locked > 0
    assert rates.pageable > 0

"""What is seen of a device; the one here is no hardware."""

from __future__ import annotations

from contextlib import closing

import pytest
import torch

from feedrate.builtin.loaders.inline import Inline
from feedrate.contract import Fixture
from feedrate.contract.late_device import on_simulated_device
from feedrate.loading.accelerator import Cuda, accelerator_of
from feedrate.loading.batch import Batch
from feedrate.loading.simulated.accelerator import SimulatedAccelerator
from feedrate.loading.simulated.stream import at_the_last
from feedrate.loading.transfer import delivered
from feedrate.metering.device import Device


def test_a_sample_of_memory_counts_what_is_page_locked() -> None:
    device, accelerator = Device("simulated"), accelerator_of("simulated")
    assert accelerator is not None
    before = device.memory_sample(1.0, 0, training=False)
    held = accelerator.page_locked(1 << 20)
    after = device.memory_sample(2.0, 0, training=False)

    assert before.pinned_bytes is not None
    assert after.pinned_bytes == before.pinned_bytes + held.nbytes
    assert Device("cpu").memory_sample(1.0, 0, training=False).pinned_bytes is None


def test_libraries_are_named_where_there_is_a_device_of_theirs() -> None:
    assert Device("cpu").libraries == Device("simulated").libraries == {}


def test_reads_and_copies_are_named_while_a_tracing_tool_watches_and_only_then(sums_fixture: Fixture) -> None:
    plan, accelerator = on_simulated_device(sums_fixture.plan_for(Inline()), at_the_last)
    for watched in (False, True):
        accelerator.is_traced = watched
        with accelerator.using(None), closing(delivered(Inline(), plan)) as stream:
            next(stream)
        assert ({"feedrate read", "feedrate copy"} <= set(accelerator.names)) == watched


def test_an_update_is_named_while_a_tracing_tool_watches_and_only_then(monkeypatch: pytest.MonkeyPatch) -> None:
    accelerator, batch = SimulatedAccelerator(), Batch(torch.arange(2), {})
    monkeypatch.setattr("feedrate.metering.device.accelerator_of", lambda _: accelerator)
    device = Device("simulated")
    assert device.shown("update", len)(batch) == 2
    assert accelerator.names == []
    accelerator.is_traced = True
    assert device.shown("update", len)(batch) == 2
    assert accelerator.names == ["feedrate update"]


def test_nsight_systems_is_known_by_its_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NVTX_INJECTION64_PATH", "NSYS_PROFILING_SESSION_ID"):
        monkeypatch.delenv(name, raising=False)
    assert not Cuda().is_traced
    monkeypatch.setenv("NSYS_PROFILING_SESSION_ID", "1")
    assert Cuda().is_traced

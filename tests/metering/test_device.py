"""What is seen of a device; the one here is no hardware."""

from __future__ import annotations

from feedrate.loading.accelerator import accelerator_of
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

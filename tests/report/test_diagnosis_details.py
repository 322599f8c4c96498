"""What `why --details` says of a step is what was counted of it."""

from __future__ import annotations

from feedrate.records.step_profile import StepProfile
from feedrate.report.diagnosis_details import _inside_step


def test_the_inside_of_a_step_is_its_work_and_its_pieces() -> None:
    profile = StepProfile(2e9, "bf16", 1e12, 300, kernels_per_step=250, syncs_per_step=1, device_busy_s=0.005)

    assert list(_inside_step(profile, 0.01)) == [
        "2.00 GFLOP, 200 GFLOP/s",
        "20% of 1,000 that a bf16 matmul reaches",
        "250 kernels",
        "300 operators",
        "1.0 waits for the device",
        "device busy 50% of it",
    ]
    assert list(_inside_step(StepProfile(), 0.01)) == []

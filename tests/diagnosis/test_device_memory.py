"""What fits on a device follows from a line through a step's peaks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from feedrate.diagnosis.device_memory import StepMemory
from feedrate.errors import DataError
from feedrate.loading.chunk_size import chunk_bytes
from feedrate.records.measurement import Measurement
from tests.support.outcomes import measurement

GB = 10**9
CELL = "fxseq/full/inline/fp32/cuda"


def peak(peak_bytes: int | None, *, total: int = 80 * GB, taken: int = 2 * GB) -> Measurement:
    return replace(
        measurement(CELL),
        device_step_peak_bytes=peak_bytes,
        device_total_bytes=total,
        device_taken_bytes=taken,
        batch_samples=128.0,
        batch_bytes=128 * 1_000_000,
        epoch_bytes=10 * GB,
    )


def test_a_step_takes_a_constant_and_so_much_a_sample() -> None:
    # 1 GB, and 50 MB a sample.
    memory = StepMemory.of((32, 64, 128), [peak(round(1e9 + n * 5e7)) for n in (32, 64, 128)])

    assert memory.fixed_bytes == pytest.approx(1e9)
    assert memory.sample_bytes == pytest.approx(5e7)
    assert (memory.row_bytes, memory.batch) == (1e6, 128)
    assert memory.error < 1e-9
    # Two batches are on the device: 52 MB a sample altogether.
    assert memory.step_bytes(128) == pytest.approx(1e9 + 128 * 5.2e7)


def test_a_device_of_a_size_holds_so_large_a_batch_and_two_chunks_beside_the_usual_one() -> None:
    memory = StepMemory.of((32, 64, 128), [peak(round(1e9 + n * 5e7)) for n in (32, 64, 128)])
    fit = memory.on(24 * GB)

    # 24 * 0.95 - 2 taken - 1 = 19.8 GB for batches of 52 MB a sample: 380, so 256 and not 384.
    assert fit.batch == 256
    # 20.8 - 1 - 6.656 = 13.1 GB beside the step; two of 3/8 of that.
    assert fit.chunk_bytes == pytest.approx((20.8e9 - 7.656e9) * 0.75 / 2, rel=1e-6)
    assert fit.epochs == pytest.approx(fit.chunk_bytes / (10 * GB))
    assert memory.on(141 * GB).epochs == 1
    assert memory.on(8 * GB).chunk_bytes == 0
    assert memory.on(2 * GB).batch == 0


def test_what_lies_off_the_line_is_known() -> None:
    memory = StepMemory.of((32, 64, 128), [peak(value) for value in (10 * GB, 30 * GB, 30 * GB)])

    assert memory.error > 0.1


@pytest.mark.parametrize(("batches", "peaks"), [((32, 64), (None, None)), ((64, 64), (GB, GB)), ((32, 64), (GB, None))])
def test_without_two_peaks_nothing_is_known(batches: tuple[int, ...], peaks: tuple[int | None, ...]) -> None:
    with pytest.raises(DataError, match="two sizes of batches"):
        StepMemory.of(batches, [peak(value) for value in peaks])


def test_an_epoch_is_taken_whole_where_it_fits_as_often_as_there_are_buffers() -> None:
    assert chunk_bytes(100, room_bytes=300, buffers=2) == 100
    assert chunk_bytes(100, room_bytes=200, buffers=2) == 75
    assert chunk_bytes(100, room_bytes=200, buffers=1) == 100
    assert chunk_bytes(100, room_bytes=200, buffers=2, share=0.6) == 60

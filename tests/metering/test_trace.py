"""What is read from a profiler's trace; events as torch.profiler writes them for a CUDA device, made up here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from feedrate.metering.ablation.profiler_trace import STEP, ProfilerTrace


def event(kind: str, name: str, start: float, length: float, **args: object) -> dict[str, object]:
    return {"ph": "X", "cat": kind, "name": name, "tid": 1, "ts": start, "dur": length, "args": args}


def trace(folder: Path, *events: dict[str, object], steps: int = 1) -> ProfilerTrace:
    path = folder / "trace.json"
    path.write_text(json.dumps({"traceEvents": [*events, {"ph": "M", "name": "process_name"}]}))
    return ProfilerTrace.read(path, steps)


def test_operators_inside_others_are_not_counted(tmp_path: Path) -> None:
    found = trace(
        tmp_path,
        event("cpu_op", "aten::linear", 0, 100),
        event("cpu_op", "aten::addmm", 0, 90),
        event("cpu_op", "aten::relu", 100, 10),
        steps=2,
    )

    assert found.operators_per_step == 1


def test_time_in_operators_is_that_of_one_thread_in_each_update(tmp_path: Path) -> None:
    backward = event("cpu_op", "aten::mm", 130, 50) | {"tid": 2}
    profile = trace(
        tmp_path,
        event("user_annotation", STEP, 0, 100),
        event("cpu_op", "aten::linear", 10, 40),
        event("cpu_op", "aten::addmm", 12, 30),
        event("user_annotation", "Optimizer.step", 60, 30),
        event("cpu_op", "Torch-Compiled Region: 0/0", 70, 10),
        event("user_annotation", STEP, 120, 80),
        event("cpu_op", "aten::relu", 125, 5),
        backward,
        event("cpu_op", "aten::after", 300, 5),
        steps=2,
    )

    assert profile.operators_s(1) == pytest.approx((50e-6, 5e-6))
    assert profile.operators_s(2) == pytest.approx((0.0, 50e-6))


def test_kernels_that_run_at_the_same_time_keep_the_device_busy_once(tmp_path: Path) -> None:
    found = trace(
        tmp_path,
        event("kernel", "gemm", 0, 100),
        event("kernel", "add", 50, 100),
        event("gpu_memcpy", "Memcpy HtoD", 1_000, 50),
    )

    assert found.kernels_per_step == 2
    assert found.device_busy_s == pytest.approx(200e-6)


def test_waits_are_counted_but_for_the_one_that_ends_the_profile(tmp_path: Path) -> None:
    found = trace(
        tmp_path,
        event("cuda_runtime", "cudaStreamSynchronize", 0, 10),
        event("cuda_runtime", "cudaMemcpyAsync", 20, 10),
        event("cuda_runtime", "cudaDeviceSynchronize", 40, 10),
    )

    assert found.syncs_per_step == 1


@pytest.mark.parametrize(
    ("kernel", "types", "dtype"),
    [
        ("gemm", ["c10::BFloat16", "c10::BFloat16"], "bf16"),
        ("gemm", ["float", "float"], "fp32"),
        ("sm80_xmma_gemm_f32f32_tf32f32_f32", ["float", "float"], "tf32"),
        ("gemm", [], None),
    ],
)
def test_the_dtype_is_what_matrix_products_are_given(
    tmp_path: Path, kernel: str, types: list[str], dtype: str | None
) -> None:
    found = trace(
        tmp_path,
        event("kernel", kernel, 0, 10),
        event("cpu_op", "aten::mm", 0, 10, **{"Input type": types}),
        event("cpu_op", "aten::add", 20, 10, **{"Input type": ["float", "float"]}),
    )

    assert found.dtype == dtype

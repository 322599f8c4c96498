"""What a device beside the host shows: a CUDA device where there is one, and one that is no hardware everywhere."""

from __future__ import annotations

import gc
import json
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from feedrate.builtin.loaders.gpu_chunk import GpuChunk
from feedrate.builtin.loaders.ring_workers import RingWorkers
from feedrate.builtin.loaders.threads import Threads
from feedrate.builtin.loaders.workers import Workers
from feedrate.cli import main
from feedrate.contract import Fixture, check_batch
from feedrate.contract.fixture import on_device
from feedrate.data.dataset import DataSet
from feedrate.loading.transfer import delivered
from feedrate.plugin.cell import Cell
from feedrate.plugin.registry import Registry
from feedrate.records.measurement import Failure, Measurement, Outcome
from feedrate.records.validity import remarks
from feedrate.runner.forkserver import ForkServer
from feedrate.runner.isolation import ReplicateSettings, measure
from tests.support import PLUGINS, ROOT

DEVICES = [pytest.param("cuda", marks=pytest.mark.gpu), "simulated"]
LOADERS = [
    Workers(count=2),
    RingWorkers(count=2),
    Threads(),
    *(
        GpuChunk(chunk=4096, stage=stage, buffers=buffers)
        for stage in ("ring", "whole", "pageable")
        for buffers in (1, 2)
    ),
]


def trial(registry: Registry, data_root: Path, workload: str, device: str) -> Fixture:
    recipe = registry.workload(workload).at("tiny")
    plan = recipe.workload.plan(recipe.open(data_root), "tiny", epochs=2)
    return Fixture(plan.on_device(device), recipe)


@pytest.mark.parametrize(
    ("device", "workload"),
    [
        *(pytest.param("cuda", name, marks=pytest.mark.gpu) for name in ("boardmoves", "daywindows", "fxseq")),
        # The others: tests/contract/test_late_device.py.
        pytest.param("simulated", "fxseq", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("loader", LOADERS, ids=str)
def test_every_loader_brings_the_generated_bits_to_the_device(
    loader: Threads, workload: str, device: str, registry: Registry, data_root: Path
) -> None:
    asked = trial(registry, data_root, workload, device)
    plan, reference = asked.plan_for(loader), asked.reference(loader)
    count = 0
    with on_device(plan), closing(delivered(loader, plan)) as stream:
        for batch in stream:
            check_batch(loader, batch, reference)
            count += 1
    assert count == len(plan)


@pytest.mark.gpu
def test_ring_workers_hand_over_page_locked_memory(registry: Registry, data_root: Path) -> None:
    loader = RingWorkers(count=1)
    with closing(loader.stream(trial(registry, data_root, "boardmoves", "cuda").plan_for(loader))) as stream:
        batch = next(stream)
        assert all(tensor.is_pinned() for tensor in batch.tensors.values())


@pytest.mark.parametrize("device", DEVICES)
def test_with_one_buffer_no_two_chunks_share_the_device(device: str, registry: Registry, data_root: Path) -> None:
    loader = GpuChunk(chunk=1, buffers=1)
    plan = trial(registry, data_root, "fxseq", device).plan_for(loader)
    accelerator = plan.accelerator
    assert accelerator is not None
    gc.collect()
    before = accelerator.allocated_bytes()
    accelerator.reset_peaks()
    with on_device(plan), closing(loader.stream(plan)) as stream:
        for batch in stream:
            del batch
    chunk = max(block.stop - block.start for block in plan.stored_blocks) * sum(f.row_bytes for f in plan.data.fields)
    assert accelerator.peak_bytes()[0] - before < 1.9 * chunk


CELLS = [
    *(
        pytest.param(f"threads/{step}/cuda", marks=pytest.mark.gpu)
        for step in ("fp32", "tf32", "bf16", "fp16", "graphed")
    ),
    *("threads/fp32/simulated", "gpu_chunk/bf16/simulated", "inline/none/simulated", "threads/graphed/simulated"),
]


@pytest.mark.process
@pytest.mark.parametrize("parts", CELLS)
def test_every_precision_is_measured_on_the_device(
    parts: str, sums_data: DataSet, tmp_path: Path, fork_server: ForkServer
) -> None:
    outcome = measured(f"sums/tiny/{parts}", sums_data, tmp_path, fork_server)
    assert isinstance(outcome, Measurement), outcome
    assert outcome.device_peak_bytes
    assert outcome.device_allocated_peak_bytes
    # All of a batch but its row ids, which stay; what is placed as a whole lies there before anything is timed.
    if parts.startswith(("threads", "inline")):
        row_ids = 8 * (outcome.batch_samples or 0)
        assert outcome.pinned_copy_bytes == pytest.approx(outcome.batch_bytes - row_ids, rel=0.1)
        assert outcome.pageable_copy_bytes == 0
    assert any("their times say nothing" in remark for remark in remarks(outcome)) == parts.endswith("simulated")
    assert {sample.pinned_bytes is None for sample in outcome.looks} == {False}
    assert ("arch_list" in outcome.observed) == parts.endswith("cuda")
    # Three updates of each of two sizes at most run before the graph of a size.
    assert (outcome.replayed_share or 0) > 0.5 if "graphed" in parts else outcome.replayed_share is None
    assert outcome.skipped_updates == 0 or "fp16" in parts


@pytest.mark.process
@pytest.mark.parametrize("device", DEVICES)
def test_no_room_on_the_device_is_a_result_that_names_the_size(
    device: str, sums_data: DataSet, tmp_path: Path, fork_server: ForkServer
) -> None:
    outcome = measured(f"sums/tiny/inline/too_large/{device}", sums_data, tmp_path, fork_server)
    assert isinstance(outcome, Failure)
    assert outcome.why == "out of memory"
    # 1 << 45 bytes.
    assert re.search(r"Tried to allocate (32768\.00 GiB|35184372088832 bytes)", outcome.reason)
    # The next one meets a device as it was.
    assert isinstance(measured(f"sums/tiny/inline/none/{device}", sums_data, tmp_path, fork_server), Measurement)


@pytest.mark.process
def test_a_cell_that_runs_out_of_memory_goes_down_the_ladder_until_it_fits(tmp_path: Path) -> None:
    """64 samples of 8 MiB are all that the device has; 48 leave room for the batches themselves."""
    command = ("run", "boardmoves", "--loader", "inline", "--step", "hungry", "--device", "simulated", "--size", "tiny")
    options = ("--plugin", str(PLUGINS / "too_large.py"), "--seconds", "0.02", "--oom", "ladder", "--once", "--json")
    done = feedrate(tmp_path, *command, *options)

    assert done.returncode == 1, done.stderr
    whole, half = json.loads(done.stdout)
    assert whole["failure"]["kind"] == "out of memory"
    assert "Tried to allocate 536870912 bytes" in whole["failure"]["reason"]
    assert half["cell"] == "boardmoves[batch_size=48]/tiny/inline/hungry/simulated"
    assert half["in_place_of"] == whole["cell"] == "boardmoves/tiny/inline/hungry/simulated"
    assert half["metrics"]["samples_per_s"] > 0


@pytest.mark.process
def test_what_a_step_takes_grows_with_its_batches_and_leaves_so_much_for_chunks(tmp_path: Path) -> None:
    done = feedrate(tmp_path, "size", "fxseq", "--device", "simulated", "--size", "tiny", "--seconds", "0.02", "--json")

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    memory, devices = told["memory"], told["devices"]
    # 12 steps of 8 features, and 36 targets, in fp32, and the row's number.
    assert memory["row_bytes"] == 4 * (12 * 8 + 36) + 8
    # Gradients are as large as parameters, and there is the optimizer's state besides.
    assert memory["fixed_bytes"] > 2 * told["outcomes"][0]["device_built_bytes"] > 0
    assert memory["sample_bytes"] > 4 * 12 * 8
    assert memory["error"] < 0.05
    assert [device["device_bytes"] >> 30 for device in devices[1:]] == [8, 12, 16, 24, 32, 40, 48, 80, 96, 141]
    assert devices[0]["device_bytes"] == told["outcomes"][0]["device_total_bytes"] == 512 << 20
    # Two blocks of 48 rows are all that there is.
    assert told["most_samples"] == 48
    batches = [device["batch"] for device in devices]
    assert batches == sorted(batches)
    assert all(device["epochs"] == 1 for device in devices)


@pytest.mark.parametrize(
    ("words", "way_out"),
    [
        (("fxseq", "--device", "cpu"), "give --device cuda, or simulated"),
        (("fxseq", "none", "--device", "simulated"), "name a step that trains"),
        (("daywindows", "--device", "simulated"), "batch_size needs batch=fixed"),
        (("fxseq[batch_size=3]", "--device", "simulated"), "too small to be made smaller"),
    ],
)
@pytest.mark.process
def test_what_has_no_size_is_one_line_with_the_way_out(words: tuple[str, ...], way_out: str, tmp_path: Path) -> None:
    done = feedrate(tmp_path, "size", *words, "--size", "tiny")

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert way_out in done.stderr


ONLY_A_REAL_DEVICE = {
    "loading/accelerator.py",
    *(f"builtin/steps/{name}.py" for name in ("backend", "fp16", "tf32", "compiled")),
    *("metering/ablation/step_profile.py", "metering/script/step_profile.py"),
    *(f"metering/script/{name}.py" for name in ("answering", "fetching", "loading_parts")),
    *("contract/steps.py", "calibration/strategies/fixed_cost.py"),
}
"""Files that do something of their own on CUDA: docs/decisions/0020 says what."""
NAMING = {
    *("__init__.py", "api/cells.py", "asv/settings.py", "cli/bench_cells.py", "cli/study.py"),
    "calibration/cases.py",
    *("diagnosis/advice.py", "diagnosis/rules.py", "plugin/cell.py", "plugin/needs.py", "plugin/strategy.py"),
}
"""Files that only know the device by its name, and choose or advise."""
CALLS = re.compile(r"torch\.cuda|\.cuda\(|[\"']cuda[\"']|\bcuda\.met|needs = \(cuda|Activity\.CUDA")


def test_whatever_calls_cuda_by_itself_is_known() -> None:
    """All else goes through the accelerator, so that the simulated device reaches it."""
    package = ROOT / "src/feedrate"
    files = {file.relative_to(package).as_posix(): file.read_text() for file in package.rglob("*.py")}

    assert {name for name, text in files.items() if CALLS.search(text)} == ONLY_A_REAL_DEVICE | NAMING


@pytest.mark.process
def test_doctor_times_copies_to_the_device_that_it_is_asked_for(tmp_path: Path) -> None:
    done = feedrate(tmp_path, "doctor", "--device", "simulated")
    plain = feedrate(tmp_path, "doctor", "--device", "cpu", "--json")

    (line,) = [line for line in done.stdout.splitlines() if line.startswith("copies")]
    assert re.fullmatch(r"copies +pageable .*B/s, page-locked .*B/s \(no hardware: it says nothing\)", line)
    assert json.loads(plain.stdout)["copies"] is None


@pytest.mark.parametrize(
    "words", [("--cell", "fxseq/tiny/inline/none/cpu"), ("--serve",), ("--", "python", "train.py")], ids=lambda w: w[0]
)
@pytest.mark.parametrize("option", [("--oom", "ladder"), ("--safe-retry",)], ids=lambda o: o[0])
def test_what_tries_no_other_cell_says_so(
    words: tuple[str, ...], option: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *option, *words]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "no other is tried in its place" in told


def feedrate(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "feedrate", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=280, check=False)


def test_compiled_code_does_not_run_on_a_simulated_device(registry: Registry) -> None:
    cell = Cell.parse("boardmoves/tiny/inline/compiled/simulated", registry)
    assert [need.what for need in cell.unmet_needs] == ["a step made of torch's operators on the simulated device"]


def measured(cell: str, data: DataSet, folder: Path, fork_server: ForkServer) -> Outcome:
    plugins = (PLUGINS / "mischief.py", PLUGINS / "too_large.py")
    settings = ReplicateSettings(
        data.folder.parent, folder, "gpu", seconds=0.2, plugin_files=plugins, fork_server=fork_server
    )
    return measure(cell, settings)

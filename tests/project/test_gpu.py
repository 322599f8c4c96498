"""What only a CUDA device shows."""

from __future__ import annotations

import gc
from contextlib import closing
from pathlib import Path

import pytest

from feedrate.builtin.loaders.gpu_chunk import GpuChunk
from feedrate.builtin.loaders.ring_workers import RingWorkers
from feedrate.builtin.loaders.threads import Threads
from feedrate.builtin.loaders.workers import Workers
from feedrate.contract import Fixture, check_batch
from feedrate.data.dataset import DataSet
from feedrate.loading.transfer import delivered
from feedrate.plugin.registry import Registry
from feedrate.records.measurement import Measurement
from feedrate.runner.isolation import ReplicateSettings, measure
from tests.support import PLUGINS

pytestmark = pytest.mark.gpu

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


def trial(registry: Registry, data_root: Path, workload: str) -> Fixture:
    recipe = registry.workload(workload).at("tiny")
    plan = recipe.workload.plan(recipe.open(data_root), "tiny", epochs=2)
    return Fixture(plan.on_device("cuda"), recipe)


@pytest.mark.parametrize("workload", ["boardmoves", "daywindows", "fxseq"])
@pytest.mark.parametrize("loader", LOADERS, ids=str)
def test_every_loader_brings_the_generated_bits_to_the_device(
    loader: Threads, workload: str, registry: Registry, data_root: Path
) -> None:
    asked = trial(registry, data_root, workload)
    plan, reference = asked.plan_for(loader), asked.reference(loader)
    count = 0
    with closing(delivered(loader, plan)) as stream:
        for batch in stream:
            check_batch(loader, batch, reference)
            count += 1
    assert count == len(plan)


def test_ring_workers_hand_over_page_locked_memory(registry: Registry, data_root: Path) -> None:
    loader = RingWorkers(count=1)
    with closing(loader.stream(trial(registry, data_root, "boardmoves").plan_for(loader))) as stream:
        batch = next(stream)
        assert all(tensor.is_pinned() for tensor in batch.tensors.values())


def test_with_one_buffer_no_two_chunks_share_the_device(registry: Registry, data_root: Path) -> None:
    import torch

    loader = GpuChunk(chunk=1, buffers=1)
    plan = trial(registry, data_root, "fxseq").plan_for(loader)
    gc.collect()
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    with closing(loader.stream(plan)) as stream:
        for batch in stream:
            del batch
    chunk = max(block.stop - block.start for block in plan.stored_blocks) * sum(f.row_bytes for f in plan.data.fields)
    assert torch.cuda.max_memory_allocated() - before < 1.9 * chunk


@pytest.mark.parametrize("step", ["fp32", "tf32", "bf16", "fp16"])
def test_every_precision_is_measured_on_the_device(step: str, sums_data: DataSet, tmp_path: Path) -> None:
    mischief = PLUGINS / "mischief.py"
    settings = ReplicateSettings(sums_data.folder.parent, tmp_path, "gpu", seconds=0.05, plugin_files=(mischief,))
    outcome = measure(f"sums/tiny/threads/{step}/cuda", settings)
    assert isinstance(outcome, Measurement), outcome
    assert outcome.device_peak_bytes
    assert outcome.device_allocated_peak_bytes

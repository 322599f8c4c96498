"""What this loader does beyond the contract."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from conftest import trial
from torch.utils.dlpack import from_dlpack

from feedrate import Batch, DataError, Plan, Registry
from feedrate.contract import Fixture
from feedrate.contract.reference import demand_equal
from feedrate_rust_prefetch import RustPrefetch


@pytest.fixture(scope="module")
def boards(data_root: Path, registry: Registry) -> Fixture:
    return trial(registry.workload("boardmoves[compression=none]"), data_root)


def served(plan: Plan, loader: RustPrefetch | None = None) -> list[list[int]]:
    return [batch.ids.tolist() for batch in (loader or RustPrefetch()).stream(plan)]


def damaged(plan: Plan, folder: Path, shard: int) -> tuple[Plan, Path]:
    """The plan over a copy of its files, and the copy of one of them."""
    shutil.copytree(plan.data.folder, folder)
    data = replace(plan.data, folder=folder)
    return replace(plan, data=data), data.path(shard)


def test_buffers_are_used_again(boards: Fixture) -> None:
    plan = boards.plan.for_epochs(10)
    places = {batch.ids.data_ptr() for batch in RustPrefetch(depth=2).stream(plan)}
    assert len(places) <= 2 + 3


def test_a_buffer_is_not_used_again_while_a_view_of_it_lives(boards: Fixture) -> None:
    plan = boards.plan.for_epochs(10)
    with closing(RustPrefetch(depth=2).stream(plan)) as stream:
        view = next(stream).tensors["board"][3:5]
        before = view.clone()
        for batch in stream:
            assert batch.tensors["board"].data_ptr() != view.data_ptr()
        assert view.equal(before)


def test_batches_outlive_their_stream(boards: Fixture) -> None:
    with closing(RustPrefetch().stream(boards.plan)) as stream:
        batch = next(stream)
    gc.collect()
    assert batch.ids.tolist() == next(iter(boards.plan)).tolist()


def test_batches_before_a_damaged_block_are_delivered(boards: Fixture, tmp_path: Path) -> None:
    block = list(boards.plan.epoch_blocks(0))[3]
    shard = next(iter(boards.plan.data.locate(block.start, block.stop)))[0]
    plan, file = damaged(boards.plan, tmp_path / "copy", shard)
    file.unlink()
    came: list[Batch] = []
    with pytest.raises(DataError, match=f"^{file}: is missing"):
        came.extend(RustPrefetch().stream(plan))
    assert len(came) == sum(block.batch_count for block in list(plan.epoch_blocks(0))[:3])


def rewritten(file: Path, change: Callable[[pa.RecordBatch], pa.RecordBatch]) -> None:
    """Write the Arrow file again with another table, in the same record batches."""
    with pa.OSFile(str(file), "rb") as source:
        batches = [change(pa.ipc.open_file(source).get_batch(n)) for n in range(2)]
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, batches[0].schema) as out:
        for batch in batches:
            out.write_batch(batch)


def test_an_absent_column_is_named(boards: Fixture, tmp_path: Path) -> None:
    plan, file = damaged(boards.plan, tmp_path / "copy", 0)
    rewritten(file, lambda batch: batch.drop_columns(["hand"]))
    with pytest.raises(DataError, match=f"^{file}: no column 'hand'|^{file}: no column \"hand\""):
        served(plan)


def test_another_type_is_named(boards: Fixture, tmp_path: Path) -> None:
    plan, file = damaged(boards.plan, tmp_path / "copy", 0)

    def change(batch: pa.RecordBatch) -> pa.RecordBatch:
        ids = pa.array(batch.column("row_id").to_numpy().astype(np.int32))
        return batch.set_column(0, "row_id", ids)

    rewritten(file, change)
    with pytest.raises(DataError, match=f'^{file}: column "row_id" holds Int32 instead of uint64'):
        served(plan)


def test_other_row_counts_are_named(boards: Fixture, tmp_path: Path) -> None:
    plan, file = damaged(boards.plan, tmp_path / "copy", 0)
    rewritten(file, lambda batch: batch.slice(0, 100))
    with pytest.raises(DataError, match=f"^{file}: record batch [01] has 100 rows instead of 128"):
        served(plan)


def test_a_list_of_another_width_is_named_with_its_row(data_root: Path, registry: Registry, tmp_path: Path) -> None:
    workload = registry.workload("boardmoves[compression=none,lists=variable]")
    plan, file = damaged(trial(workload, data_root).plan, tmp_path / "copy", 0)

    def change(batch: pa.RecordBatch) -> pa.RecordBatch:
        column: Any = batch.column("board")
        offsets = column.offsets.to_numpy().copy()
        offsets[7] += 1
        changed = pa.ListArray.from_arrays(pa.array(offsets), column.values)
        return batch.set_column(1, "board", changed)

    rewritten(file, change)
    with pytest.raises(DataError, match=f'^{file}: row 6 of column "board" has 82 values instead of 81'):
        served(plan)


def test_a_null_is_named(boards: Fixture, tmp_path: Path) -> None:
    plan, file = damaged(boards.plan, tmp_path / "copy", 0)

    def change(batch: pa.RecordBatch) -> pa.RecordBatch:
        ids = batch.column("row_id").to_numpy()
        return batch.set_column(0, "row_id", pa.array(ids, mask=ids == ids[5]))

    rewritten(file, change)
    with pytest.raises(DataError, match=f'^{file}: column "row_id" from row (0|128) on has 1 nulls'):
        served(plan)


def test_pages_that_lost_their_dictionary_are_named(
    data_root: Path, registry: Registry, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    plan, file = damaged(trial(registry.workload("daywindows"), data_root).plan, tmp_path / "copy", 0)
    table, start = pq.read_table(file), 0
    with pq.ParquetWriter(file, table.schema, use_dictionary=["row_id"], store_schema=False) as out:
        for rows in plan.data.shards[0].groups:
            out.write_table(table.slice(start, rows), row_group_size=rows)
            start += rows
    start = pq.ParquetFile(file).metadata.row_group(0).column(0).dictionary_page_offset
    whole = bytearray(file.read_bytes())
    # The head of a page begins with its kind, as Thrift's compact protocol has it: 2 is a dictionary, 1 is passed over.
    assert whole[start : start + 2] == b"\x15\x04"
    whole[start + 1] = 2
    file.write_bytes(whole)
    with pytest.raises(DataError, match=f"^{file}: column .* from row 0 on: damaged pages"):
        served(plan)
    assert "panicked" not in capfd.readouterr().err


def test_an_arrow_stream_is_read_like_a_file(boards: Fixture, tmp_path: Path) -> None:
    plan, _ = damaged(boards.plan, tmp_path / "copy", 0)
    for file in plan.data.folder.glob("*.arrow"):
        with pa.OSFile(str(file), "rb") as source:
            table = pa.ipc.open_file(source).read_all()
        with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as out:
            for batch in table.to_batches():
                out.write_batch(batch)
    assert served(plan) == [ids.tolist() for ids in plan]


def test_two_streams_at_once_and_one_in_a_thread(boards: Fixture) -> None:
    wanted = [ids.tolist() for ids in boards.plan]
    found: list[list[list[int]]] = []
    threads = [threading.Thread(target=lambda: found.append(served(boards.plan))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [wanted, wanted]


def test_a_slow_consumer_that_holds_everything_gets_everything(boards: Fixture) -> None:
    held = list(RustPrefetch(depth=1).stream(boards.plan))
    assert [batch.ids.tolist() for batch in held] == [ids.tolist() for ids in boards.plan]


def test_tensors_are_the_same_where_torch_offers_no_table_of_functions(
    boards: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = boards.plan.with_cast("host")
    wanted = list(RustPrefetch(cast="host").stream(plan))
    monkeypatch.delattr(torch.Tensor, "__dlpack_c_exchange_api__", raising=False)
    found = list(RustPrefetch(cast="host").stream(plan))
    for number, (batch, other) in enumerate(zip(wanted, found, strict=True)):
        demand_equal("through capsules", other, batch)
        assert other.ids.equal(batch.ids), number


def test_a_table_of_another_kind_is_refused() -> None:
    from feedrate_rust_prefetch._native import Pipeline, Source

    source = Source("arrow", [], [], [], days=None, block_rows=1, batch_rows=1)
    another = torch.ones(1).__dlpack__()
    with pytest.raises(ValueError, match="incorrect name"):
        Pipeline(source, tensor=from_dlpack, names=[], ids=0, readers=1, depth=1, blocks_ahead=0, exchange=another)


def test_threads_widen_where_nothing_is_copied_after_them(boards: Fixture) -> None:
    batch = next(RustPrefetch(cast="device").stream(boards.plan.with_cast("device")))
    wanted = {field.name: field.model for field in boards.plan.fields if field.name != "row_id"}
    assert {name: str(tensor.dtype) for name, tensor in batch.tensors.items()} == {
        name: f"torch.{dtype}" for name, dtype in wanted.items()
    }


def test_stored_dtypes_are_served_where_threads_cannot_widen_to_the_models(boards: Fixture) -> None:
    plan = boards.plan.with_cast("device")
    fields = tuple(replace(field, model="bfloat16") if field.name == "hand" else field for field in plan.fields)
    plan = replace(plan, spec=replace(plan.spec, fields=fields))
    batch = next(RustPrefetch(cast="device").stream(plan))
    assert {tensor.dtype for tensor in batch.tensors.values()} == {torch.uint8}


SCRIPT = """
import os, signal, sys, time
from dataclasses import replace
sys.path.insert(0, {tests!r})
from pathlib import Path
from typing import Any
from conftest import trial
from torch.utils.dlpack import from_dlpack
from feedrate import Registry
from feedrate_rust_prefetch import RustPrefetch
workload = Registry.load().workload("boardmoves[compression=none]")
plan = trial(workload, Path({root!r})).plan.for_epochs(None)
# Whoever starts a shell's job in the background has it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
stream = RustPrefetch().stream(plan)
next(stream)
print("ready", flush=True)
{body}
"""


@contextmanager
def child(data_root: Path, body: str) -> Iterator[subprocess.Popen[str]]:
    """A process with an open stream, which is ended whatever comes of it."""
    script = SCRIPT.format(tests=str(Path(__file__).parent), root=str(data_root), body=textwrap.dedent(body))
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def test_an_interpreter_ends_with_an_open_stream(boards: Fixture, data_root: Path) -> None:
    with child(data_root, "") as process:
        begin = time.monotonic()
        _, errors = process.communicate(timeout=20)
        assert (process.returncode, errors) == (0, "")
        assert time.monotonic() - begin < 10


def test_an_interrupt_ends_a_stream(boards: Fixture, data_root: Path) -> None:
    with child(data_root, "for _ in stream: pass") as process:
        time.sleep(0.3)
        os.kill(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        assert "KeyboardInterrupt" in errors
        assert process.returncode in (1, -signal.SIGINT)


@pytest.mark.gpu
def test_buffers_are_page_locked_for_a_gpu(boards: Fixture) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    batch = next(RustPrefetch().stream(boards.plan.on_device("cuda")))
    assert all(tensor.is_pinned() for tensor in batch.tensors.values())

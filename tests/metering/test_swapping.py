"""A loader that reads natively is taken apart through its own swap points."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from feedrate.builtin.workloads.boardmoves import BoardMoves
from feedrate.contract import written
from feedrate.data.field import Field
from feedrate.loading.plan import Plan
from feedrate.loading.source import FileSource, Source
from feedrate.metering.ablation.dataset_cache import DataSetCache, DecodedSource
from feedrate.metering.ablation.source_switch import STAGES, SourceSwitch, SwitchControl
from feedrate.metering.ablation.stream_tracker import StreamTracker
from feedrate.metering.recorded_stream import RecordedStream
from feedrate.plugin.loader import Loader, Stream


@dataclass(frozen=True)
class Native(Loader):
    """Reads files and decoded blocks by itself, two blocks before they are served."""

    name = "native"
    swap_points = ("memory", "decoded")

    def stream(self, plan: Plan) -> Stream:
        control, begun = plan.source_control, []
        assert control is not None
        for block in plan.blocks():
            turn = control.current()
            begun.append((block, turn, read(plan, turn.stage).read(block)))
            if len(begun) > 2:
                served, when, columns = begun.pop(0)
                control.served(served, when)
                yield from (columns.batch(rows) for rows in served.batches())


def read(plan: Plan, stage: str) -> Source:
    control = plan.source_control
    assert control is not None
    if stage == "decoded":
        return DecodedSource(plan, control.decoded)
    return FileSource(plan.data if stage == "files" else control.in_memory, plan.spec)


def controlled(tmp_path: Path) -> tuple[Plan, SourceSwitch]:
    """A plan of endless epochs, and what sets where its blocks come from."""
    plan = written(BoardMoves(), tmp_path / "data").plan.for_epochs(None)
    (tmp_path / "memory").mkdir()
    cache = DataSetCache.filled(plan, tmp_path / "memory")
    switch = SourceSwitch.create(tmp_path / "switch", len(plan.stored_blocks))
    assert cache.decoded is not None
    control = SwitchControl(switch, cache.in_memory(plan).data, cache.decoded)
    return replace(plan, placement=replace(plan.placement, source_control=control)), switch


def test_a_native_loader_is_drained_to_the_first_block_that_was_read_after_a_turn(tmp_path: Path) -> None:
    plan, switch = controlled(tmp_path)
    with closing(Native().stream(plan)) as stream:
        tracker = StreamTracker(RecordedStream(stream), plan, switch, 0)
        tracker.feed.take()
        for stage in STAGES:
            switch.turn(stage)
            before = tracker.feed.taken
            assert tracker.settle(30.0)
            assert plan.max_block_batches < tracker.feed.taken - before <= 4 * plan.max_block_batches
        assert switch.readers == 1


def test_every_column_of_every_block_lies_where_the_offsets_say(tmp_path: Path) -> None:
    plan, _ = controlled(tmp_path)
    control = plan.source_control
    assert control is not None
    held = control.decoded.path.read_bytes()
    source = FileSource(plan.data, plan.spec)
    for block, offsets in zip(plan.stored_blocks, control.decoded.offsets, strict=True):
        columns = source.read(block).tensors
        for field, offset in zip(plan.stored_columns, offsets, strict=True):
            assert (
                held[offset : offset + nbytes(field, block.stop - block.start)] == columns[field.name].numpy().tobytes()
            )


def nbytes(field: Field, rows: int) -> int:
    return field.row_bytes * rows

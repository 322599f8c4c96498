from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from feedrate.builtin.workloads.boardmoves import BoardMoves
from feedrate.builtin.workloads.daywindows import TARGETS, DayWindows
from feedrate.builtin.workloads.fxseq import FxSeq
from feedrate.contract import Reference, unwritten
from feedrate.contract.reference import demand_equal
from feedrate.data.dataset import DataSet
from feedrate.errors import DataError, UsageError
from feedrate.loading.plan import Plan
from feedrate.plugin.registry import Registry
from feedrate.plugin.workload import SIZES, Workload

VARIANTS: dict[str, Workload] = {
    str(workload): workload
    for workload in (
        BoardMoves(),
        BoardMoves(layout="few_large", lists="variable", compression="zstd", record_batches=3, concat_files=3),
        BoardMoves(compression="none", nan_ratio=0.1, constant_columns=2, head="policy_value", concat_files=10),
        DayWindows(),
        DayWindows(batch="fixed", reader="polars", graph="in_worker"),
        DayWindows(graph="cached", nan_ratio=0.2, constant_columns=1),
        FxSeq(),
        FxSeq(layout="chunked", order="sequential", nan_ratio=0.1, constant_columns=1),
        FxSeq(form="multi", layout="gzip", chunks=3),
        FxSeq(form="multi_base", nan_ratio=0.1),
    )
}
PLAIN = BoardMoves(), DayWindows(), FxSeq(), FxSeq(form="multi"), FxSeq(form="multi_base")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, DataSet]:
    root = tmp_path_factory.mktemp("workloads")
    recipes = {name: workload.at("tiny") for name, workload in VARIANTS.items()}
    made: dict[str, DataSet] = {}
    for recipe in recipes.values():
        if recipe.folder_name not in made:
            made[recipe.folder_name] = DataSet.write(root / recipe.folder_name, recipe)
    return {name: made[recipe.folder_name] for name, recipe in recipes.items()}


def everything(workload: Workload, size: str = "tiny") -> dict[str, NDArray[np.generic]]:
    return workload.rows(size, 5, 0, sum(map(sum, workload.row_groups(size))))


def sample_rows(workload: Workload, size: str = "tiny") -> list[int]:
    return [row for block in workload.blocks(size) for low, high in block.spans for row in range(low, high)]


def served(plan: Plan) -> Iterable[tuple[NDArray[np.int64], dict[str, NDArray[np.generic]]]]:
    with plan.open() as source:
        for block in plan.blocks():
            columns = source.read(block)
            for rows in block.batches():
                batch = columns.batch(rows)
                yield batch.ids.numpy(), {name: tensor.numpy() for name, tensor in batch.tensors.items()}


def same(found: NDArray[Any], wanted: NDArray[Any]) -> bool:
    return (
        found.shape == wanted.shape and np.ascontiguousarray(found).tobytes() == np.ascontiguousarray(wanted).tobytes()
    )


@pytest.mark.parametrize("name", VARIANTS)
def test_a_row_is_the_same_in_whatever_range_it_is_made(name: str) -> None:
    workload, whole = VARIANTS[name], everything(VARIANTS[name])
    rows = len(whole["row_id"])
    for start, stop in ((0, 1), (3, 29), (rows // 2, rows // 2 + 17), (rows - 1, rows)):
        part = workload.rows("tiny", 5, start, stop)
        assert [column for column in part if not same(part[column], whole[column][start:stop])] == []


@pytest.mark.parametrize("name", VARIANTS)
def test_rows_have_the_dtypes_and_shapes_of_the_fields(name: str) -> None:
    workload = VARIANTS[name]
    made = workload.rows("tiny", 5, 4, 11)
    fields = {field.name: (field.stored, (7, *field.shape)) for field in workload.stored_fields("tiny")}
    assert {column: (str(values.dtype), values.shape) for column, values in made.items()} == fields
    assert made["row_id"].tolist() == list(range(4, 11))


@pytest.mark.parametrize("name", VARIANTS)
def test_seeds_make_different_content(name: str) -> None:
    first, second = (VARIANTS[name].rows("tiny", seed, 0, 50) for seed in (1, 2))
    assert sum(not same(first[column], second[column]) for column in first) >= 2


@pytest.mark.parametrize("name", VARIANTS)
def test_every_batch_from_the_files_is_what_the_generator_makes(name: str, written: dict[str, DataSet]) -> None:
    workload, data = VARIANTS[name], written[name]
    plan = workload.plan(data, "tiny")
    whole = workload.at("tiny").rows(0, data.rows)
    days = workload.day_starts("tiny")
    seen: list[int] = []
    for ids, tensors in served(plan):
        seen += ids.tolist()
        for field in plan.fields[1:]:
            index = ids if not field.window else np.stack([history(days, row, field.window) for row in ids])
            assert same(tensors[field.name], whole[field.column_name][index]), field.name
        assert {field.name for field in plan.batch_fields[1:]} == tensors.keys()
    assert sorted(seen) == sample_rows(workload)
    if workload.in_order:
        assert seen == sample_rows(workload)


def history(days: tuple[int, ...] | None, row: int, length: int) -> list[int]:
    """Rows of a window, found by counting days."""
    if days is None:
        return list(range(row - length + 1, row + 1))
    day = max(number for number, start in enumerate(days) if start <= row)
    code = row - days[day]
    return [days[before] + code for before in range(day - length + 1, day + 1)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("workload", PLAIN, ids=str)
def test_blocks_cover_the_rows_of_every_size(workload: Workload, size: str) -> None:
    rows = sum(map(sum, workload.row_groups(size)))
    ends = 0
    for block in workload.blocks(size):
        assert 0 <= block.start < block.stop <= rows
        assert block.samples > 0
        for low, high in block.spans:
            assert block.start <= low < high <= block.stop
            assert low >= ends
            ends = high
    assert ends == block.stop == rows or isinstance(workload, DayWindows)


@pytest.mark.parametrize(
    ("workload", "size", "rows"),
    [
        (BoardMoves(), "tiny", 2_048),
        (BoardMoves(layout="few_large"), "small", 40_000),
        (BoardMoves(), "full", 4_000_000),
        (BoardMoves(layout="few_large"), "seed", 40_400_000),
        (FxSeq(), "small", 2_000),
        (FxSeq(), "seed", 51_779),
        (FxSeq(form="multi"), "full", 4_000),
        (FxSeq(form="multi_base"), "full", 4_479),
    ],
    ids=str,
)
def test_sizes_have_their_rows(workload: Workload, size: str, rows: int) -> None:
    assert sum(map(sum, workload.row_groups(size))) == rows


def test_layouts_hold_the_same_record_batches_in_other_files() -> None:
    small, large = BoardMoves().row_groups("small"), BoardMoves(layout="few_large").row_groups("small")
    assert (len(small), len(large)) == (16, 2)
    assert [rows for file in small for rows in file] == [rows for file in large for rows in file]
    assert all(len(file) > 1 for file in small)


def test_positions_have_20_to_80_legal_moves_and_one_or_two_played_ones() -> None:
    made = everything(BoardMoves())
    legal, policy = made["legal"].astype(int).sum(axis=1), made["policy"]
    assert legal.min() >= 20
    assert legal.max() <= 80
    assert set(np.count_nonzero(policy, axis=1)) == {1, 2}
    assert np.all(policy.astype(np.float64).sum(axis=1) == 1)
    assert np.all(made["legal"][policy.astype(np.bool_)] == 1)


def test_a_panel_starts_with_five_stocks_and_never_loses_one() -> None:
    days = np.diff(DayWindows().day_starts("small"))
    assert (days[0], days[-1]) == (5, 64)
    assert np.all(np.diff(days) >= 0)


def test_about_the_asked_share_of_targets_is_missing() -> None:
    panel = everything(DayWindows(), "small")
    assert np.mean([np.isnan(panel[name].astype(float)).mean() for name in TARGETS]) == pytest.approx(0.005, rel=0.2)
    sequences = everything(FxSeq(nan_ratio=0.1))
    assert np.isnan(sequences["targets"].astype(float)).mean() == pytest.approx(0.1, rel=0.1)
    assert not np.isnan(everything(FxSeq())["targets"].astype(float)).any()


def test_constant_columns_are_constant() -> None:
    assert len(np.unique(everything(BoardMoves(constant_columns=3))["hand"][:, :3])) == 1
    assert len(np.unique(everything(DayWindows(constant_columns=2))["f"][:, -2:])) == 1
    assert len(np.unique(everything(FxSeq(constant_columns=2))["features"][..., :2])) == 1


def test_stored_windows_and_windows_cut_from_the_series_are_the_same(written: dict[str, DataSet]) -> None:
    series = everything(FxSeq(form="multi_base"))
    windows = everything(FxSeq(form="multi"))
    for row in (0, 17, 95):
        assert np.array_equal(windows["last12"][row], series["series"][row : row + 12])
        assert np.array_equal(windows["last3"][row], series["series"][row + 9 : row + 12])
        assert windows["direction"][row] == series["direction"][row + 11]
        assert windows["magnitude"][row] == series["magnitude"][row + 11]


def test_the_stored_graph_is_the_one_that_the_model_would_find(written: dict[str, DataSet]) -> None:
    from feedrate.builtin.models.graph import neighbours

    workload = DayWindows(graph="cached")
    panel, days = everything(workload, "small"), workload.day_starts("small")
    for low, high in (workload.blocks("small")[1].spans[0], workload.blocks("small")[-1].spans[-1]):
        rows = np.array([history(days, row, 20) for row in range(low, high)])
        found = neighbours(torch.from_numpy(panel["f"][rows][:, :, 0]), 20).numpy()
        stored = panel["graph"][low:high]
        shared = [len(set(a) & set(b)) for a, b in zip(found.tolist(), stored.tolist(), strict=True)]
        assert np.mean(shared) > 19
        assert all(own in row for own, row in enumerate(stored))


def test_neighbours_within_a_day_need_batches_of_a_day() -> None:
    with pytest.raises(UsageError, match="use batch=day"):
        DayWindows(graph="cached", batch="fixed").sample_fields("tiny")


@pytest.mark.parametrize("workload", PLAIN[:3], ids=lambda workload: workload.name)
def test_exactly_the_stored_knobs_change_the_folder(workload: Workload) -> None:
    plain = workload.at("tiny")
    for name, values in type(workload).knob_values().items():
        numbers = "0.5" if isinstance(values[0], float) else "5"
        text = str(values[-1]) if len(values) > 1 else "true" if values[0] is False else numbers
        turned = workload.with_knobs({name: text}).at("tiny")
        changed = name in workload.storage_knobs
        assert (turned.folder_name != plain.folder_name) == changed, name
        assert (turned.identity != plain.identity) == changed, name


@pytest.mark.parametrize("size", ["tiny", "small"])
def test_sizes_for_tests_and_for_two_cores_stay_small(size: str) -> None:
    for workload in PLAIN:
        rows = sum(map(sum, workload.row_groups(size)))
        raw = sum(field.row_bytes for field in workload.stored_fields(size)) * rows
        assert raw < {"tiny": 16_000_000, "small": 320_000_000}[size]


def test_row_counts_of_the_source_systems_are_refused_where_the_disk_is_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(BoardMoves(), compression="none").at("seed")
    room = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: room._replace(free=300 * 10**9))
    with pytest.raises(DataError, match=r"needs some 3[0-9]{2} GB and the disk has 300 GB free"):
        DataSet.write(tmp_path / recipe.folder_name, recipe)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.process
def test_naming_workloads_and_making_rows_imports_neither_torch_nor_arrow() -> None:
    script = (
        "import sys\n"
        "from feedrate.builtin.workloads import boardmoves, daywindows, fxseq\n"
        "for workload in boardmoves.BoardMoves(), daywindows.DayWindows(), fxseq.FxSeq():\n"
        "    workload.rows('tiny', 1, 0, 9)\n"
        "    workload.at('tiny').identity\n"
        "found = {'torch', 'pyarrow', 'h5py', 'polars'} & set(sys.modules)\n"
        "sys.exit(f'imported {found}' if found else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("spec", "batch"),
    [("boardmoves[batch_size=100]", 100), ("fxseq[batch_size=7]", 7), ("daywindows[batch=fixed,batch_size=50]", 50)],
)
def test_without_the_last_batch_of_a_block_all_are_of_one_size(spec: str, batch: int) -> None:
    workload = Registry.load().workload(spec)
    plain, whole = unwritten(workload).plan, unwritten(workload.with_knobs({"drop_last": "true"})).plan

    assert {len(ids) for ids in whole} == {batch} < {len(ids) for ids in plain}
    assert whole.samples == sum(block.samples // batch * batch for block in plain.stored_blocks)


@pytest.mark.parametrize("name", ["boardmoves", "daywindows", "fxseq"])
def test_in_order_samples_come_as_they_lie_in_the_files(name: str) -> None:
    plan = unwritten(Registry.load().workload(f"{name}[order=sequential]")).plan

    ids = [row for batch in plan.epoch_ids(1) for row in batch.tolist()]
    assert ids == sorted(ids)


def test_a_day_is_a_batch_whole() -> None:
    with pytest.raises(UsageError, match="a batch is a day's windows; drop_last needs batch=fixed"):
        DayWindows(drop_last=True).blocks("tiny")
    with pytest.raises(UsageError, match=r"drop_last leaves no batch: .* have smaller batches"):
        BoardMoves(batch_size=1_000, drop_last=True).blocks("tiny")


@pytest.mark.parametrize(
    "spec",
    ["boardmoves", "fxseq", "fxseq[form=multi_base]", "daywindows", "daywindows[batch=fixed,graph=in_worker]"],
)
@pytest.mark.parametrize("cast", ["device", "host"])
def test_a_batch_is_assembled_from_the_rows_that_it_touches(spec: str, cast: Any) -> None:
    fixture = unwritten(Registry.load().workload(spec))
    plan, recipe = fixture.plan.with_cast(cast), fixture.recipe
    drawn = torch.cat(list(plan.epoch_ids(0)))[torch.randperm(plan.samples)[:40]]

    for ids in (next(iter(plan)), drawn):
        rows = plan.touched(ids)
        assert rows.tolist() == sorted(set(rows.tolist()))
        assert set(ids.tolist()) <= set(rows.tolist())
        made = [recipe.rows(row, row + 1) for row in rows.tolist()]
        tensors = {
            field.name: torch.from_numpy(np.concatenate([columns[field.name] for columns in made]))
            for field in plan.stored_columns
            if field.name != "row_id"
        }
        batch, wanted = plan.assembled(ids, rows, tensors), Reference(recipe, plan).batch(ids)
        demand_equal("assembled", batch, wanted)
        assert batch.ids.equal(ids)
        if plan.derive is None:
            samples = [{name: values[place] for name, values in wanted.tensors.items()} for place in range(len(ids))]
            records = [{**sample, "row_id": row} for sample, row in zip(samples, ids.tolist(), strict=True)]
            demand_equal("collated", plan.collated(records), wanted)

"""Every strategy that ships keeps every promise; what costs a fresh interpreter is asked on the smallest task."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from _pytest.mark import ParameterSet
from sums import Sums

from feedrate.builtin.loaders.inline import Inline
from feedrate.contract import (
    LOADER_PROMISES,
    STEP_PROMISES,
    WORKLOAD_PROMISES,
    Fixture,
    LoaderPromise,
    Reference,
    StepPromise,
    check,
    check_batch,
    expected_batches,
    title,
    unwritten,
)
from feedrate.contract.contents import leaves_batches_to_their_owner, serves_the_generated_values
from feedrate.contract.late_device import serves_a_device_that_is_late
from feedrate.contract.repeatability import streams_in_a_spawned_process
from feedrate.contract.rows import cuts_the_planned_batches, keeps_the_planned_order, serves_each_row_once
from feedrate.contract.steps import trains_on_the_batch_it_is_given
from feedrate.data.dataset import DataSet
from feedrate.errors import ContractError, UnavailableError
from feedrate.plugin.registry import Registry
from feedrate.plugin.strategy import Strategy
from feedrate.plugin.workload import Workload
from tests.conftest import fixture_on
from tests.support.lying_steps import RebindsItsInput

ONE_STREAM: tuple[LoaderPromise, ...] = (
    serves_each_row_once,
    keeps_the_planned_order,
    cuts_the_planned_batches,
    serves_the_generated_values,
    leaves_batches_to_their_owner,
)
"""Promises that a single stream, held in the fixture, answers."""

LOADERS = ("inline", "workers[count=1]", "ring_workers[count=1]", "threads", "gpu_chunk", "mapped", "resident")
TURNED = (
    "inline[cast=host]",
    "workers[count=0]",
    "workers[count=2,deal=batches]",
    "workers[count=2,persistent=false]",
    "ring_workers[count=2]",
    "threads[count=1,cast=host]",
    "gpu_chunk[cast=host]",
)
STEPS = ("none", "fp32", "tf32", "bf16", "fp16", "compiled", "accumulated", "checkpointed", "graphed", "evaluation")
WORKLOADS = ("boardmoves", "daywindows", "fxseq", "images", "tokens[pad=context]")

STARTING = (
    *("workers[count=1]", "workers[count=2,deal=batches]", "workers[count=2,persistent=false]"),
    *("ring_workers[count=1]", "ring_workers[count=2]"),
    "compiled",
)
"""Those that start processes, or a compiler."""


def marked(asked: LoaderPromise | str) -> ParameterSet:
    """It as a parameter, which says whether asking it starts processes, and whether it tries schedules for seconds."""
    starts = asked is streams_in_a_spawned_process or asked in STARTING
    marks = [pytest.mark.process] if starts else [pytest.mark.slow] if asked is serves_a_device_that_is_late else []
    return pytest.param(asked, id=asked if isinstance(asked, str) else title(asked), marks=marks)


def usable(strategy: Strategy) -> None:
    if strategy.unmet_needs():
        pytest.skip(f"{strategy} {strategy.unmet_needs()[0].reason}")


@pytest.fixture(scope="module")
def sums(sums_data: DataSet) -> Fixture:
    return fixture_on(sums_data, Sums().at("tiny"))


@pytest.fixture(scope="module")
def fixtures(data_root: Path, registry: Registry) -> dict[str, Fixture]:
    """A fixture of two epochs on each workload."""
    workloads = {name: registry.workload(name) for name in WORKLOADS}
    recipes = {name: workload.at("tiny") for name, workload in workloads.items() if not workload.unmet_needs()}
    return {name: fixture_on(recipe.open(data_root), recipe) for name, recipe in recipes.items()}


@pytest.mark.parametrize("promise", [*map(marked, LOADER_PROMISES)])
@pytest.mark.parametrize("spec", [*map(marked, LOADERS)])
def test_a_loader_keeps_its_promises(
    spec: str, promise: LoaderPromise, sums: Fixture, registry: Registry, request: pytest.FixtureRequest
) -> None:
    loader = registry.loader(spec)
    usable(loader)
    if promise is streams_in_a_spawned_process:
        request.getfixturevalue("spawning")
    promise(loader, sums)


@pytest.mark.parametrize("spec", [*map(marked, TURNED)])
def test_a_loader_with_turned_knobs_serves_what_is_planned(spec: str, sums: Fixture, registry: Registry) -> None:
    loader = registry.loader(spec)
    usable(loader)
    for promise in ONE_STREAM:
        promise(loader, sums)


@pytest.mark.parametrize("name", WORKLOADS)
@pytest.mark.parametrize("spec", [*map(marked, LOADERS)])
def test_a_loader_serves_every_workload(spec: str, name: str, fixtures: dict[str, Fixture], registry: Registry) -> None:
    loader = registry.loader(spec)
    usable(loader)
    usable(registry.workload(name))
    if spec == "mapped" and not registry.workload(name).has_columns:
        with pytest.raises(UnavailableError, match="mapped: needs columns of rows, and these samples come from"):
            ONE_STREAM[0](loader, fixtures[name])
        return
    for promise in ONE_STREAM:
        promise(loader, fixtures[name])


@pytest.mark.process
@pytest.mark.parametrize("name", WORKLOADS)
def test_every_promise_is_kept_on_every_workload(name: str, fixtures: dict[str, Fixture], registry: Registry) -> None:
    usable(registry.workload(name))
    assert [(promise, str(error)) for promise, error in check(Inline(), fixtures[name]) if error] == []


def variants() -> list[Workload]:
    """Each workload with one knob turned that changes the files, the batches or their order."""
    workloads = Registry.load().workloads.values()
    return [turned for workload in workloads for turned in _turned(workload)]


def _turned(workload: Workload) -> Iterator[Workload]:
    for knob, values in workload.knob_values().items():
        for value in values[1:]:
            yield replace(workload, **{knob: value})


@pytest.mark.parametrize("workload", variants(), ids=str)
def test_a_variant_of_a_workload_is_read_as_generated(workload: Workload, tmp_path: Path) -> None:
    usable(workload)
    recipe = workload.at("tiny")
    fixture = fixture_on(DataSet.write(tmp_path / recipe.folder_name, recipe), recipe, epochs=1)
    for promise in ONE_STREAM:
        promise(Inline(), fixture)


@pytest.mark.slow
@pytest.mark.parametrize("name", WORKLOADS)
def test_a_workload_keeps_its_promises(name: str, fixtures: dict[str, Fixture], registry: Registry) -> None:
    workload = registry.workload(name)
    usable(workload)
    fixture = unwritten(workload) if workload.has_columns else fixtures[name]
    assert [(promise, str(error)) for promise, error in check(workload, fixture) if error] == []


@pytest.mark.parametrize("workload", [turned for turned in variants() if turned.has_columns], ids=str)
def test_a_variant_of_a_workload_makes_and_plans_what_it_declares(workload: Workload) -> None:
    fixture = unwritten(workload)
    for promise in WORKLOAD_PROMISES[:4]:
        promise(workload, fixture)


@pytest.mark.parametrize("promise", STEP_PROMISES, ids=title)
@pytest.mark.parametrize("spec", [*map(marked, STEPS)])
def test_a_step_keeps_its_promises(spec: str, promise: StepPromise, sums: Fixture, registry: Registry) -> None:
    step = registry.step(spec)
    usable(step)
    promise(step, sums)


@pytest.mark.slow
@pytest.mark.parametrize("name", WORKLOADS)
@pytest.mark.parametrize("spec", ["fp32", "bf16", "graphed"])
def test_a_step_trains_every_workload(spec: str, name: str, fixtures: dict[str, Fixture], registry: Registry) -> None:
    step = registry.step(spec)
    usable(step)
    usable(registry.workload(name))
    if (spec, name) == ("bf16", "fxseq") and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("oneDNN has no bf16 LSTM for this CPU")
    for promise in STEP_PROMISES:
        promise(step, fixtures[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["boardmoves", "daywindows", "fxseq"])
def test_a_step_that_reads_another_batch_is_caught_on_every_task(
    name: str, fixtures: dict[str, Fixture], registry: Registry
) -> None:
    with pytest.raises(ContractError, match="it reads memory that is not the batch's"):
        trains_on_the_batch_it_is_given(RebindsItsInput(), fixtures[name])


def test_the_strategies_that_ship_are_all_held_to_their_promises(registry: Registry) -> None:
    builtin = {key for key, origin in registry.origins.items() if origin == "builtin"}
    named = {f"loader/{spec.partition('[')[0]}" for spec in LOADERS}
    named |= {f"step/{spec}" for spec in STEPS} | {f"workload/{name.partition('[')[0]}" for name in WORKLOADS}
    assert named >= builtin


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_each_rank_of_three_serves_its_share(rank: int, sums: Fixture) -> None:
    share = replace(sums, plan=Sums().plan(sums.plan.data, "tiny", epochs=2, rank=rank, world_size=3))
    for promise in ONE_STREAM:
        promise(Inline(), share)


def test_expected_batches_follow_the_plan(sums: Fixture) -> None:
    batches = list(expected_batches(sums.plan, sums.recipe))
    assert [batch.ids.tolist() for batch in batches] == [ids.tolist() for ids in sums.plan]
    rows = sums.recipe.rows(0, 203)
    assert batches[0].tensors["y"].tolist() == rows["y"][batches[0].ids.numpy()].tolist()


def test_a_reference_cuts_batches_across_blocks(sums: Fixture) -> None:
    ids = torch.tensor([200, 3, 60, 201, 4])
    batch = Reference(sums.recipe, sums.plan).batch(ids)
    assert batch.tensors["x"].tolist() == sums.recipe.rows(0, 203)["x"][ids.numpy()].tolist()


def test_a_reference_names_a_row_that_is_not_planned(sums: Fixture) -> None:
    with pytest.raises(ContractError, match="row 203 is not in the plan"):
        Reference(sums.recipe, sums.plan).batch(torch.tensor([0, 203]))


@pytest.mark.parametrize("cast", ["host", "device"])
def test_a_batch_that_has_arrived_may_be_widened_already(cast: str, sums: Fixture) -> None:
    plan = sums.plan.with_cast("host" if cast == "host" else "device")
    widened = next(expected_batches(plan.with_cast("host"), sums.recipe))
    check_batch("somebody", widened, Reference(sums.recipe, plan))


@pytest.mark.gpu
@pytest.mark.parametrize("spec", LOADERS)
def test_a_loader_keeps_its_promises_on_a_gpu(spec: str, sums: Fixture, registry: Registry) -> None:
    on_gpu = replace(sums, plan=sums.plan.on_device("cuda"))
    assert [(promise, str(error)) for promise, error in check(registry.loader(spec), on_gpu) if error] == []


@pytest.mark.slow
@pytest.mark.parametrize("spec", [*map(marked, ("workers[count=1]", "ring_workers[count=1]", "resident"))])
def test_a_loader_serves_a_simulated_device(spec: str, sums: Fixture, registry: Registry) -> None:
    """Those of one process, in every way of copying: test_late_device.py."""
    loader = registry.loader(spec)
    usable(loader)
    there = replace(sums, plan=sums.plan.on_device("simulated"))
    for promise in ONE_STREAM:
        promise(loader, there)


@pytest.mark.slow
@pytest.mark.parametrize("spec", [spec for spec in STEPS if spec != "compiled"])
def test_a_step_trains_on_a_simulated_device(spec: str, sums: Fixture, registry: Registry) -> None:
    step, there = registry.step(spec), replace(sums, plan=sums.plan.on_device("simulated"))
    usable(step)
    assert [(promise, str(error)) for promise, error in check(step, there) if error] == []


@pytest.mark.slow
def test_a_workload_trains_on_a_simulated_device(fixtures: dict[str, Fixture], registry: Registry) -> None:
    there = replace(fixtures["daywindows"], plan=fixtures["daywindows"].plan.on_device("simulated"))
    assert [(promise, str(error)) for promise, error in check(registry.step("fp32"), there) if error] == []


@pytest.mark.gpu
@pytest.mark.parametrize("spec", STEPS)
def test_a_step_keeps_its_promises_on_a_gpu(spec: str, sums: Fixture, registry: Registry) -> None:
    on_gpu = replace(sums, plan=sums.plan.on_device("cuda"))
    assert [(promise, str(error)) for promise, error in check(registry.step(spec), on_gpu) if error] == []

"""The loader keeps feedrate's whole contract, on every workload and every storage layout."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from conftest import trial, variants

from feedrate import Registry, Workload
from feedrate.contract import LOADER_PROMISES, Fixture, LoaderPromise, title
from feedrate_rust_prefetch import RustPrefetch

ONE_STREAM = tuple(promise for promise in LOADER_PROMISES[:5])
WORKLOADS = ("boardmoves", "daywindows", "fxseq")


@pytest.fixture(scope="module")
def trials(data_root: Path, registry: Registry) -> dict[str, Fixture]:
    return {name: trial(registry.workloads[name], data_root) for name in WORKLOADS}


@pytest.mark.parametrize("promise", LOADER_PROMISES, ids=title)
@pytest.mark.parametrize("name", WORKLOADS)
def test_every_promise_is_kept(name: str, promise: LoaderPromise, trials: dict[str, Fixture]) -> None:
    promise(RustPrefetch(), trials[name])


@pytest.mark.parametrize("cast", ["device", "host"])
@pytest.mark.parametrize("workload", variants(), ids=str)
def test_a_variant_is_read_as_generated(workload: Workload, cast: str, data_root: Path) -> None:
    one = trial(workload, data_root, epochs=1)
    for promise in ONE_STREAM:
        promise(RustPrefetch(cast=cast), one)


@pytest.mark.parametrize("name", WORKLOADS)
@pytest.mark.parametrize("loader", [RustPrefetch(readers=1, depth=1, blocks_ahead=0), RustPrefetch(readers=4, depth=8)])
def test_turned_knobs_serve_what_is_planned(loader: RustPrefetch, name: str, trials: dict[str, Fixture]) -> None:
    for promise in ONE_STREAM:
        promise(loader, trials[name])


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_each_rank_of_three_serves_its_share(rank: int, trials: dict[str, Fixture]) -> None:
    whole = trials["boardmoves"]
    plan = whole.recipe.workload.plan(whole.plan.data, "tiny", epochs=2, rank=rank, world_size=3)
    share = replace(whole, plan=plan)
    for promise in ONE_STREAM:
        promise(RustPrefetch(), share)


def test_it_comes_through_the_entry_point(registry: Registry) -> None:
    assert registry.origins["loader/rust_prefetch"] == "rust_prefetch"

"""Data sets that are written once a session, marks that follow from a folder, and the reason why a test is skipped."""

from __future__ import annotations

import gc
import multiprocessing
import os
import resource
import signal
from collections.abc import Iterator
from multiprocessing import forkserver, get_context, set_forkserver_preload
from multiprocessing.context import BaseContext
from pathlib import Path

import pytest
import torch
from sums import Sums

from feedrate.contract import Fixture
from feedrate.data.dataset import DataSet
from feedrate.plugin.registry import Registry
from feedrate.plugin.workload import SizedWorkload
from feedrate.runner.forkserver import FORK_SERVER, ForkServer
from feedrate.system.threadpools import one_thread_each
from tests.support.patience import Patience, left_alone

# A shell that starts this in the background lets it ignore Ctrl-C, and whatever it starts, too.
signal.signal(signal.SIGINT, signal.default_int_handler)

TESTS = Path(__file__).parent
MARKS = {
    "records": "pure",
    "comparison": "pure",
    "diagnosis": "pure",
    "integrations": "integration",
    "frameworks": "integration",
    "documentation": "integration",
}
"""What every test of a folder is marked with."""
COMMANDS = ("api", "asv", "calibration", "cli", "project", "runner")
"""Folders whose tests that start processes run whole commands, or cells: more than half of what all tests take."""
WORTH_A_MARK_PAGES = 2_500
"""A command of git touches some 200; a Python that imports feedrate 2,900, one that imports torch 100,000."""
LONGEST_WAIT_S = 180.0
"""Of all tests together: on a machine that is never left alone they run all the same."""
PRELOADED = (
    *("feedrate.builtin.loaders.workers", "feedrate.builtin.loaders._ring_worker", "feedrate.contract"),
    *("torch.utils.data", "feedrate.loading.plan", "pyarrow.parquet", "h5py"),
)
"""What a worker of any loader imports."""
PATIENCE = pytest.StashKey[Patience]()


# First: what is left out by its marks is told after.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by their folder, put files that start processes first, and skip what needs an absent device."""
    for item in items:
        folder = item.path.parent.name if item.path.is_relative_to(TESTS) else ""
        if folder in MARKS:
            item.add_marker(MARKS[folder])
        if folder in COMMANDS and item.get_closest_marker("process"):
            item.add_marker("command")
    slow = {item.path for item in items if item.get_closest_marker("process")}
    # Where several share the work, what is short fills the gaps at the end.
    items.sort(key=lambda item: item.path not in slow)
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="needs a CUDA device, and torch finds none here"))


def pytest_collection_finish() -> None:
    """Set aside what is there before the first test: each look through all of torch and of the tests takes long."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before a test that needs the machine for itself, and before its fixtures, wait for what others do in bursts.

    `feedrate` says INVALID of what it measures beside a busy neighbour, and is right.
    """
    if item.get_closest_marker("alone") or item.get_closest_marker("answer"):
        patience = item.session.stash.setdefault(PATIENCE, Patience(LONGEST_WAIT_S))
        patience.wait_until(left_alone)


@pytest.fixture(autouse=True)
def only_marked_tests_start_processes(request: pytest.FixtureRequest) -> Iterator[None]:
    """Where tests that start processes are left out, one that lacks the mark fails."""
    before = _pages_of_children()
    yield
    if "not process" in request.config.option.markexpr and _pages_of_children() - before > WORTH_A_MARK_PAGES:
        pytest.fail("it starts a process: mark it with pytest.mark.process")


def _pages_of_children() -> int:
    """Pages that all ended children of this process have touched, as often as each did."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt


@pytest.fixture(scope="session", autouse=True)
def fork_server() -> Iterator[ForkServer]:
    """The process that imports torch for all tests, and for all commands that they start; it begins on demand."""
    with ForkServer.opened({}) as shared, pytest.MonkeyPatch.context() as patch:
        patch.setenv(FORK_SERVER, str(shared.folder))
        # A person's own data sets are none of the tests' business.
        patch.delenv("FEEDRATE_DATA", raising=False)
        yield shared


@pytest.fixture(scope="session", autouse=True)
def nothing_is_spawned() -> Iterator[None]:
    """What this process would spawn comes from one that has imported torch, instead of importing it each time.

    It is started, and gets what it works on, as a spawned process does. Cells, commands and whatever else has a process
    of its own spawn what they need; a test in this one that is about spawning asks for the fixture `spawning`.
    """

    def context(method: str | None = None) -> BaseContext:
        return get_context("forkserver" if method == "spawn" else method)

    set_forkserver_preload([*PRELOADED])
    with pytest.MonkeyPatch.context() as patch:
        for module in (multiprocessing, torch.multiprocessing):
            patch.setattr(module, "get_context", context)
        with one_thread_each():
            forkserver.ensure_running()
        yield


@pytest.fixture
def spawning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes are spawned, as they are outside of tests."""
    for module in (multiprocessing, torch.multiprocessing):
        monkeypatch.setattr(module, "get_context", get_context)


@pytest.fixture(scope="session")
def registry() -> Registry:
    """Everything installed; the tests' own files are no plugins."""
    return Registry.load()


@pytest.fixture(scope="session")
def data_root(tmp_path_factory: pytest.TempPathFactory, registry: Registry) -> Path:
    """A folder with the tiny data set of each built-in workload that can be written here, and of `Sums`. Read only."""
    root = tmp_path_factory.mktemp("data")
    for workload in (*registry.workloads.values(), Sums()):
        if not workload.unmet_needs():
            recipe = workload.at("tiny")
            DataSet.write(root / recipe.folder_name, recipe)
    return root


@pytest.fixture(scope="session")
def sums_data(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    """The data set of `Sums`, for tests that need no other."""
    recipe = Sums().at("tiny")
    return DataSet.write(tmp_path_factory.mktemp("sums") / recipe.folder_name, recipe)


@pytest.fixture
def sums_fixture(sums_data: DataSet) -> Fixture:
    """Two epochs of `Sums`."""
    return fixture_on(sums_data, Sums().at("tiny"))


def fixture_on(data: DataSet, recipe: SizedWorkload, epochs: int = 2) -> Fixture:
    """A fixture of a workload's own plan over `data`."""
    # Tests beside this process have the same data.
    copies = data.folder.parent / f"copies-{os.getpid()}"
    return Fixture(recipe.workload.plan(data, recipe.size, epochs=epochs), recipe, copies=copies)

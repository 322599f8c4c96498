"""Data sets that are written once a session, and the reason why a test is skipped."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from sums import Sums

from feedrate.contract import Trial
from feedrate.data.dataset import DataSet
from feedrate.plugin.registry import Registry
from feedrate.plugin.workload import SizedWorkload

# A shell that starts this in the background lets it ignore Ctrl-C, and whatever it starts, too.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    import torch

    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="needs a CUDA device, and torch finds none here"))


@pytest.fixture(scope="session")
def registry() -> Registry:
    """Everything installed; the tests' own files are no plugins."""
    return Registry.load()


@pytest.fixture(scope="session")
def data_root(tmp_path_factory: pytest.TempPathFactory, registry: Registry) -> Path:
    """A folder with the tiny data set of each built-in workload, and of `Sums`. Read only."""
    root = tmp_path_factory.mktemp("data")
    for workload in (*registry.workloads.values(), Sums()):
        recipe = workload.at("tiny")
        DataSet.write(root / recipe.folder_name, recipe)
    return root


@pytest.fixture(scope="session")
def sums_data(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    """The data set of `Sums`, for tests that need no other."""
    recipe = Sums().at("tiny")
    return DataSet.write(tmp_path_factory.mktemp("sums") / recipe.folder_name, recipe)


@pytest.fixture
def sums_trial(sums_data: DataSet) -> Trial:
    """Two epochs of `Sums`."""
    return trial_on(sums_data, Sums().at("tiny"))


def trial_on(data: DataSet, recipe: SizedWorkload, epochs: int = 2) -> Trial:
    """A trial of a workload's own plan over `data`."""
    return Trial(recipe.workload.plan(data, recipe.size, epochs=epochs), recipe)

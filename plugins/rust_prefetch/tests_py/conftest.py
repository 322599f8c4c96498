"""Tiny data sets of every workload, and of every variant whose files differ."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from feedrate import DataSet, Registry, Workload
from feedrate.contract import Fixture


@pytest.fixture(scope="session")
def registry() -> Registry:
    return Registry.load()


@pytest.fixture(scope="session")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


def trial(workload: Workload, root: Path, epochs: int = 2) -> Fixture:
    """A trial on the workload's tiny data set, which is written when it is first asked for."""
    recipe = workload.at("tiny")
    folder = root / recipe.folder_name
    data = DataSet.open(folder, recipe) if folder.exists() else DataSet.write(folder, recipe)
    return Fixture(workload.plan(data, "tiny", epochs=epochs), recipe)


PAIRS = (
    "boardmoves[lists=variable,compression=zstd]",
    "boardmoves[lists=variable,compression=none]",
    "boardmoves[layout=few_large,concat_files=10,head=policy_value,compression=zstd]",
    "boardmoves[layout=few_large,concat_files=10,head=policy_value,compression=none]",
    "fxseq[form=multi,layout=chunked]",
    "fxseq[form=multi,layout=gzip]",
    "fxseq[form=multi_base,layout=chunked]",
    "fxseq[form=multi_base,layout=gzip]",
    "boardmoves[batch_size=100,drop_last=true]",
    "daywindows[batch=fixed,batch_size=50,drop_last=true]",
)
"""Several knobs turned at once."""


def variants() -> list[Workload]:
    """Each workload of columns as it is, with each of its knobs turned, and with several turned at once."""
    registry = Registry.load()
    of_columns = (workload for workload in registry.workloads.values() if workload.has_columns)
    singly = [turned for workload in of_columns for turned in (workload, *_turned(workload))]
    return [*singly, *map(registry.workload, PAIRS)]


def _turned(workload: Workload) -> Iterator[Workload]:
    for knob, values in workload.knob_values().items():
        for value in values[1:]:
            yield workload.with_knobs({knob: str(value)})

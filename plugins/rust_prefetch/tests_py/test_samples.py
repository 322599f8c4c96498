"""Samples that only the code of their data set reads are refused in a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from feedrate import Registry, UnavailableError
from feedrate.contract import written
from feedrate_rust_prefetch import RustPrefetch


def test_samples_of_a_data_set_are_refused(registry: Registry, tmp_path: Path) -> None:
    plan = written(registry.workload("tokens"), tmp_path).plan

    with pytest.raises(UnavailableError, match=r"^rust_prefetch: needs files of columns, and only the data set's own"):
        next(RustPrefetch().stream(plan))

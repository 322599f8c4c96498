"""Which two versions of feedrate may have their data sets in one folder at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from feedrate.revisions.commit import writer_of


def package(folder: Path) -> Path:
    for name in ("data/writer.py", "builtin/workloads/fxseq.py", "plugin/workload.py", "metering/meter.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


@pytest.mark.parametrize(
    ("change", "alike"),
    [
        (lambda folder: (folder / "metering/meter.py").write_text("changed"), True),
        (lambda folder: (folder / "builtin/workloads/fxseq.py").write_text("changed"), False),
        (lambda folder: (folder / "data/formats").mkdir(), True),
        (lambda folder: (folder / "builtin/workloads/another.py").write_text(""), False),
        (lambda folder: (folder / "plugin/workload.py").unlink(), False),
    ],
)
def test_those_that_write_them_by_the_same_code(change: Callable[[Path], object], alike: bool, tmp_path: Path) -> None:
    here, there = package(tmp_path / "here"), package(tmp_path / "there")
    assert writer_of(here) == writer_of(there)

    change(there)

    assert (writer_of(here) == writer_of(there)) == alike

"""Writes a table and kills itself at a chosen moment: `killed.py FOLDER MOMENT`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from feedrate.data.dataset import DataSet
from tests.support.tables import Table


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DyingTable(Table):
    """Dies while it makes the rows of its second file."""

    def rows(self, start: int, stop: int) -> dict[str, NDArray[np.generic]]:
        if start >= sum(self.groups[0]):
            die()
        return super().rows(start, stop)


def renaming(at: int, *, before: bool) -> Callable[[Path, Path], Path]:
    """A `Path.rename` that dies before or after its call number `at`."""
    calls, rename = iter(range(99)), Path.rename

    def dying(source: Path, target: Path) -> Path:
        number = next(calls)
        if before and number == at:
            die()
        renamed = rename(source, target)
        if number == at:
            die()
        return renamed

    return dying


if __name__ == "__main__":
    folder, moment = Path(sys.argv[1]), sys.argv[2]
    if moment.startswith("rename"):
        _, number, side = moment.split("-")
        Path.rename = renaming(int(number), before=side == "before")  # type: ignore[assignment, method-assign]
    recipe = DyingTable(made_by="second") if moment == "rows" else Table(made_by="second")
    DataSet.write(folder, recipe, lambda rows: die() if moment == f"shard-{rows}" else None)

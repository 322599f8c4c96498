"""Writes a data set with several processes that never finish: `orphans.py FOLDER`; each leaves a file of its pid."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from feedrate.data import writer as writing
from feedrate.data.dataset import DataSet
from tests.support.tables import Table


class StuckTable(Table):
    def rows(self, start: int, stop: int) -> dict[str, NDArray[np.generic]]:
        Path(self.made_by, f"pid-{os.getpid()}").touch()
        threading.Event().wait()
        return {}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    writing._WORTH_PROCESSES_BYTES = 0
    os.sched_getaffinity = lambda _: {0, 1}
    DataSet.write(folder, StuckTable(made_by=str(folder.parent)))

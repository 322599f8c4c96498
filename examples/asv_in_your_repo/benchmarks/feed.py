"""One class per workload of `matrix.json`, for asv to find."""

import os
from pathlib import Path

from feedrate.asv.benchmarks import classes

HERE = Path(__file__).resolve().parent

# asv runs this in a temporary folder; data sets and raw results are to outlive it.
os.environ.setdefault("FEEDRATE_DATA", str(HERE.parent / "data"))
os.environ.setdefault("FEEDRATE_RAW", str(HERE.parent / "results" / "raw"))
os.environ.setdefault("FEEDRATE_LOGS", str(HERE.parent / "logs"))

globals().update(classes(HERE / "matrix.json"))

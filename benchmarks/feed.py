"""One class per workload of `matrix.json`, for asv to find."""

from pathlib import Path

from feedrate.asv.benchmarks import classes

globals().update(classes(Path(__file__).with_name("matrix.json")))

"""One class per workload of `matrix.json`, for asv to find."""

import os
import sys
from pathlib import Path

# The feedrate that drives asv makes the classes, at every commit alike; the one of the commit is what they measure.
# asv's own way to say so, ASV_PYTHONPATH, is undone by the interpreter it starts.
if "FEEDRATE_DRIVER" in os.environ:
    sys.path.insert(0, os.environ["FEEDRATE_DRIVER"])

from feedrate.asv.benchmarks import classes
from feedrate.errors import FeedrateError

try:
    globals().update(classes(Path(__file__).with_name("matrix.json")))
except FeedrateError as error:
    # Of anything else asv shows a page of traceback through its own code.
    raise SystemExit(f"feedrate: {error}") from error

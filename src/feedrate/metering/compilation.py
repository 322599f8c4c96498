"""What torch.compile has done in this process, as its own counters say; nothing where it was never asked."""

from __future__ import annotations

import sys
from typing import Any

from feedrate.records.answer import Compilation

__all__ = ["compiled_so_far"]

_UTILS = "torch._dynamo.utils"
_WHOLE = "_compile.compile_inner"
"""What the compiler calls the time of one frame from bytecode to kernels."""


def compiled_so_far() -> Compilation:
    """Count graphs and breaks, and sum up the seconds that they took."""
    utils: Any = sys.modules.get(_UTILS)
    if utils is None:
        return Compilation()
    counters = utils.counters
    return Compilation(
        graphs=int(counters["stats"].get("unique_graphs", 0)),
        breaks=sum(counters["graph_break"].values()),
        seconds=float(sum(utils.compilation_time_metrics.get(_WHOLE, ()))),
    )

"""What torch.compile has done in this process, as its own counters say; nothing where it was never asked."""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib import import_module
from typing import Any

from feedrate.records.answer import Compilation

__all__ = ["compiled_so_far", "compiler_is_imported", "import_compiler"]

_UTILS = "torch._dynamo.utils"
_COMPILER = ("torch._inductor.compile_fx", "torch._inductor.codegen.cpp", "torch._inductor.graph")
"""What the first compiled update imports: seconds. Absent in some version of torch, they are imported with it."""
_WHOLE = "_compile.compile_inner"
"""What the compiler calls the time of one frame from bytecode to kernels."""


def import_compiler() -> None:
    """Import what the first compiled update would, so that it is no part of what that takes."""
    for name in _COMPILER:
        with suppress(ImportError):
            import_module(name)


def compiler_is_imported() -> bool:
    """Whether somebody needed it in this process."""
    return _COMPILER[0] in sys.modules


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

"""Find out which way of feeding a model is fastest on a machine, why, and whether a commit changed it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from feedrate.batch import Batch, Columns, Source
    from feedrate.cell import Cell
    from feedrate.dataset import DataSet
    from feedrate.errors import ContractError, DataError, FeedrateError, PluginError, UnavailableError, UsageError
    from feedrate.field import Field
    from feedrate.hookspecs import hookimpl
    from feedrate.loader import Loader, Stream
    from feedrate.measurement import Failure, Measurement, results
    from feedrate.plan import Block, Plan
    from feedrate.registry import Registry
    from feedrate.step import Loss, Step, Update
    from feedrate.strategy import Need, Strategy, cuda, knob, package
    from feedrate.workload import Workload

_HOMES = {
    "batch": ("Batch", "Columns", "Source"),
    "cell": ("Cell",),
    "dataset": ("DataSet",),
    "errors": ("ContractError", "DataError", "FeedrateError", "PluginError", "UnavailableError", "UsageError"),
    "field": ("Field",),
    "hookspecs": ("hookimpl",),
    "loader": ("Loader", "Stream"),
    "measurement": ("Failure", "Measurement", "results"),
    "plan": ("Block", "Plan"),
    "registry": ("Registry",),
    "step": ("Loss", "Step", "Update"),
    "strategy": ("Need", "Strategy", "cuda", "knob", "package"),
    "workload": ("Workload",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Batch",
    "Block",
    "Cell",
    "Columns",
    "ContractError",
    "DataError",
    "DataSet",
    "Failure",
    "FeedrateError",
    "Field",
    "Loader",
    "Loss",
    "Measurement",
    "Need",
    "Plan",
    "PluginError",
    "Registry",
    "Source",
    "Step",
    "Strategy",
    "Stream",
    "UnavailableError",
    "Update",
    "UsageError",
    "Workload",
    "cuda",
    "hookimpl",
    "knob",
    "package",
    "results",
]


def __getattr__(name: str) -> object:
    """Import a public name on first use, so that `import feedrate` brings in no torch."""
    if name not in _HOME:
        raise AttributeError(f"module 'feedrate' has no attribute {name!r}")
    return getattr(import_module(f"feedrate.{_HOME[name]}"), name)

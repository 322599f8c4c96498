"""Find out which way of feeding a model is fastest on a machine, why, and whether a commit changed it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from feedrate.data.dataset import DataSet
    from feedrate.data.field import Field
    from feedrate.errors import ContractError, DataError, FeedrateError, PluginError, UnavailableError, UsageError
    from feedrate.loading.batch import Batch, Columns, Source
    from feedrate.loading.loader_report import LoaderReport
    from feedrate.loading.plan import Block, Plan
    from feedrate.plugin.cell import Cell
    from feedrate.plugin.hookspecs import hookimpl
    from feedrate.plugin.loader import Loader, Stream
    from feedrate.plugin.registry import Registry
    from feedrate.plugin.step import Loss, Step, Update
    from feedrate.plugin.strategy import Need, Strategy, cuda, knob, package
    from feedrate.plugin.workload import Workload
    from feedrate.records.measurement import Failure, Measurement, results

    __version__: str

_HOMES = {
    "loading.batch": ("Batch", "Columns", "Source"),
    "plugin.cell": ("Cell",),
    "data.dataset": ("DataSet",),
    "errors": ("ContractError", "DataError", "FeedrateError", "PluginError", "UnavailableError", "UsageError"),
    "data.field": ("Field",),
    "plugin.hookspecs": ("hookimpl",),
    "plugin.loader": ("Loader", "Stream"),
    "records.measurement": ("Failure", "Measurement", "results"),
    "loading.loader_report": ("LoaderReport",),
    "loading.plan": ("Block", "Plan"),
    "plugin.registry": ("Registry",),
    "plugin.step": ("Loss", "Step", "Update"),
    "plugin.strategy": ("Need", "Strategy", "cuda", "knob", "package"),
    "plugin.workload": ("Workload",),
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
    "LoaderReport",
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
    if name == "__version__":
        # pyproject.toml is the one place it stands in; what was installed from it carries it.
        return import_module("importlib.metadata").version("feedrate")
    if name not in _HOME:
        raise AttributeError(f"module 'feedrate' has no attribute {name!r}")
    return getattr(import_module(f"feedrate.{_HOME[name]}"), name)

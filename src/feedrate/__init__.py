"""Find out which way of feeding a model is fastest on a machine, why, and whether a commit changed it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from feedrate.api.calibration_result import CalibrationResult
    from feedrate.api.comparison_result import ComparisonResult
    from feedrate.api.diagnosis_result import DiagnosisResult
    from feedrate.api.functions import calibrate, compare, diagnose, measure
    from feedrate.api.results import CellError, Results
    from feedrate.api.session import Session
    from feedrate.api.tap import measure_loop, tap
    from feedrate.asv.training import TrainingBenchmark
    from feedrate.data.counter_rng import CounterRng
    from feedrate.data.dataset import DataSet
    from feedrate.data.field import Field
    from feedrate.errors import ContractError, DataError, FeedrateError, PluginError, UnavailableError, UsageError
    from feedrate.loading.accelerator import Accelerator
    from feedrate.loading.batch import Batch, Columns
    from feedrate.loading.batch_spec import BatchSpec
    from feedrate.loading.block import Block
    from feedrate.loading.decoded_blocks import DecodedBlocks
    from feedrate.loading.leaves import nested
    from feedrate.loading.loader_report import LoaderReport
    from feedrate.loading.order import BlockOrder
    from feedrate.loading.plan import Plan
    from feedrate.loading.prefetch import ahead
    from feedrate.loading.sample_index import SampleIndex, sample_generator
    from feedrate.loading.source import Source
    from feedrate.loading.source_control import SourceControl, SwapPoint, Turn
    from feedrate.plugin.cell import Cell
    from feedrate.plugin.dataset_workload import DatasetWorkload
    from feedrate.plugin.hookspecs import hookimpl
    from feedrate.plugin.loader import Loader, Serves, Stream
    from feedrate.plugin.needs import Need, cuda, package
    from feedrate.plugin.registry import Registry
    from feedrate.plugin.step import Loss, Step, Update
    from feedrate.plugin.strategy import Strategy, knob
    from feedrate.plugin.updates import forward_and_loss, plain_update
    from feedrate.plugin.workload import Workload
    from feedrate.records.cell_traits import LoaderTraits, StepTraits
    from feedrate.records.measurement import Failure, Measurement
    from feedrate.records.raw_results import results
    from feedrate.system.events import count_event

    __version__: str

_HOMES = {
    "api.functions": ("calibrate", "compare", "diagnose", "measure"),
    "api.calibration_result": ("CalibrationResult",),
    "api.comparison_result": ("ComparisonResult",),
    "api.diagnosis_result": ("DiagnosisResult",),
    "api.results": ("CellError", "Results"),
    "api.session": ("Session",),
    "api.tap": ("measure_loop", "tap"),
    "asv.training": ("TrainingBenchmark",),
    "loading.accelerator": ("Accelerator",),
    "loading.batch": ("Batch", "Columns"),
    "loading.batch_spec": ("BatchSpec",),
    "loading.block": ("Block",),
    "loading.order": ("BlockOrder",),
    "loading.decoded_blocks": ("DecodedBlocks",),
    "loading.leaves": ("nested",),
    "loading.sample_index": ("SampleIndex", "sample_generator"),
    "loading.source": ("Source",),
    "loading.source_control": ("SourceControl", "SwapPoint", "Turn"),
    "plugin.cell": ("Cell",),
    "data.counter_rng": ("CounterRng",),
    "data.dataset": ("DataSet",),
    "errors": ("ContractError", "DataError", "FeedrateError", "PluginError", "UnavailableError", "UsageError"),
    "data.field": ("Field",),
    "plugin.dataset_workload": ("DatasetWorkload",),
    "plugin.hookspecs": ("hookimpl",),
    "plugin.loader": ("Loader", "Serves", "Stream"),
    "records.cell_traits": ("LoaderTraits", "StepTraits"),
    "records.measurement": ("Failure", "Measurement"),
    "records.raw_results": ("results",),
    "system.events": ("count_event",),
    "loading.loader_report": ("LoaderReport",),
    "loading.plan": ("Plan",),
    "loading.prefetch": ("ahead",),
    "plugin.needs": ("Need", "cuda", "package"),
    "plugin.registry": ("Registry",),
    "plugin.step": ("Loss", "Step", "Update"),
    "plugin.strategy": ("Strategy", "knob"),
    "plugin.updates": ("forward_and_loss", "plain_update"),
    "plugin.workload": ("Workload",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Accelerator",
    "Batch",
    "BatchSpec",
    "Block",
    "BlockOrder",
    "CalibrationResult",
    "Cell",
    "CellError",
    "Columns",
    "ComparisonResult",
    "ContractError",
    "CounterRng",
    "DataError",
    "DataSet",
    "DatasetWorkload",
    "DecodedBlocks",
    "DiagnosisResult",
    "Failure",
    "FeedrateError",
    "Field",
    "Loader",
    "LoaderReport",
    "LoaderTraits",
    "Loss",
    "Measurement",
    "Need",
    "Plan",
    "PluginError",
    "Registry",
    "Results",
    "SampleIndex",
    "Serves",
    "Session",
    "Source",
    "SourceControl",
    "Step",
    "StepTraits",
    "Strategy",
    "Stream",
    "SwapPoint",
    "TrainingBenchmark",
    "Turn",
    "UnavailableError",
    "Update",
    "UsageError",
    "Workload",
    "ahead",
    "calibrate",
    "compare",
    "count_event",
    "cuda",
    "diagnose",
    "forward_and_loss",
    "hookimpl",
    "knob",
    "measure",
    "measure_loop",
    "nested",
    "package",
    "plain_update",
    "results",
    "sample_generator",
    "tap",
]


def __getattr__(name: str) -> object:
    """Import a public name on first use, so that `import feedrate` brings in no torch."""
    if name == "__version__":
        # pyproject.toml is the one place it stands in; what was installed from it carries it.
        return import_module("importlib.metadata").version("feedrate")
    if name not in _HOME:
        raise AttributeError(f"module 'feedrate' has no attribute {name!r}")
    return getattr(import_module(f"feedrate.{_HOME[name]}"), name)

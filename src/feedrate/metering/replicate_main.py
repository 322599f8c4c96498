"""The fresh process of one replicate: reads a request, measures, writes an answer."""

from __future__ import annotations

import faulthandler
import json
import multiprocessing
import os
import signal
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from feedrate.errors import ContractError, DataError, HangError, UnavailableError, WorkerError, one_line
from feedrate.records.answer import Failed, Measured
from feedrate.records.cell_key import CellKey, ranks_of, split_spec
from feedrate.records.codec import decoded, encoded
from feedrate.records.request import ReplicateRequest
from feedrate.system.stopwatch import since_start_s
from feedrate.system.threadpools import ARROW

if TYPE_CHECKING:
    from feedrate.data.dataset import DataSet
    from feedrate.data.own_copies import CopyFolder
    from feedrate.metering.ablation.ablation import Ablation
    from feedrate.metering.ranks import Ranks
    from feedrate.plugin.cell import Cell
    from feedrate.plugin.registry import Registry
    from feedrate.records.answer import ReplicateAnswer
    from feedrate.records.measurement import Kind

__all__ = ["answer"]


def answer(request_path: Path, imported_s: float | None = None) -> None:
    """Answer a request.

    `imported_s`: seconds that importing torch took the process that this one was forked from; None: nothing is
    imported yet.
    """
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    request = decoded(ReplicateRequest, json.loads(request_path.read_text()))
    _name_semaphores(request.scratch.name)
    measured_or_failed: ReplicateAnswer
    try:
        measured_or_failed = _answer(request, imported_s)
    # Whatever a strategy raises is a result; the traceback goes to the log.
    except BaseException as error:
        traceback.print_exc()
        measured_or_failed = Failed(_why(error), one_line(error))
    partial = request.scratch / "answer.part"
    partial.write_text(json.dumps(encoded(measured_or_failed), allow_nan=False))
    partial.rename(request.scratch / "answer.json")


def _name_semaphores(owner: str) -> None:
    """Have multiprocessing name its semaphores after the folder with which they are swept.

    Its own names say nothing of whose they are. The prefix is not documented: where it is not there, nothing changes.
    """
    config = getattr(multiprocessing.current_process(), "_config", {})
    if "semprefix" in config:
        config["semprefix"] = f"/{owner}"


def _answer(request: ReplicateRequest, imported_s: float | None) -> ReplicateAnswer:
    if request.rank is None and ranks_of(request.cell) > 1:
        from feedrate.metering.rank_processes import measured_together

        return measured_together(request)
    return _measured(request, imported_s)


def _measured(request: ReplicateRequest, imported_s: float | None) -> Measured:
    from feedrate.plugin.cell import Cell

    # Before any library was imported that binds this process to some of them.
    offered = frozenset(os.sched_getaffinity(0))
    cell = Cell.parse(request.cell, _registry(request))
    unmet = cell.unmet_needs
    if unmet:
        raise UnavailableError("; ".join(need.reason for need in unmet))
    import torch

    import_s = since_start_s() if imported_s is None else imported_s
    torch.set_num_interop_threads(1)
    if ARROW in request.pools:
        import pyarrow

        # No variable sizes this pool alone.
        pyarrow.set_cpu_count(request.pools[ARROW])
    from feedrate.metering.budget import MeasurementBudget
    from feedrate.metering.compilation import import_compiler
    from feedrate.metering.meter import Meter
    from feedrate.metering.turns import Turns
    from feedrate.system.sampling_flags import SamplingFlags

    settings: dict[str, object] = {"threads": request.threads, "seconds": request.seconds, "safe": request.safe}
    if request.pools:
        settings["pools"] = dict(request.pools)
    knobs = {**_traits(cell), **_knobs(cell), **_files(request, cell)}
    if request.safe:
        cell = replace(cell, loader=cell.loader.without_workers())
    if cell.step.traits().compiled:
        import_compiler()
    data = cell.recipe.open(request.data)
    # Nothing has started a thread yet, or touched a device.
    copy = _own_copy(request, cell, data)
    ranks = _ranks(request, cell)
    marks = SamplingFlags(request.scratch if request.rank is None or request.rank.number else request.rank.flags)
    turns = Turns.joined(request.turns, marks)
    effort = MeasurementBudget(seconds=request.seconds, epoch_start_s=request.epoch_start_s)
    if turns.wait():
        effort, settings["by_turns"] = MeasurementBudget.by_turns(request.seconds), True
    meter = Meter(
        *(cell, data, effort, marks, turns, ranks, str(request.scratch)), _ablation(request, cell, offered), copy
    )
    measured = Measured(meter.measure(), import_s, {**settings, **knobs})
    turns.leave()
    ranks.leave()
    return measured


def _own_copy(request: ReplicateRequest, cell: Cell, data: DataSet) -> CopyFolder | None:
    if not cell.loader.makes_copy:
        return None
    from feedrate.metering.own_copies import own_copy

    return own_copy(cell.loader, cell.workload.plan(data, cell.size), request.data, cell.recipe.folder_name)


def _ranks(request: ReplicateRequest, cell: Cell) -> Ranks:
    from feedrate.metering.ranks import Alone, joined

    if request.rank is None:
        return Alone()
    return joined(request.rank, "gloo" if cell.device == "cpu" else "nccl", request.patience_s)


def _registry(request: ReplicateRequest) -> Registry:
    """What plugins offer, and the workload that the request's own files are.

    Raises:
        DataError: the files are not what they were when their cell was named.
    """
    from feedrate.plugin.registry import Registry

    registry, files = Registry.load(request.plugin_files), request.own_files
    if files is None:
        return registry
    from feedrate.data.own.table import OwnTable
    from feedrate.plugin.files_workload import FilesWorkload

    table = OwnTable.of(files.paths, files.columns, look_for_nulls=False)
    asked = split_spec(CellKey.parse(request.cell).workload)[0]
    if table.name != asked:
        raise DataError(f"{table.folder}: the files were changed since they became {asked}; run again")
    return registry.offering(FilesWorkload(table))


def _knobs(cell: Cell) -> dict[str, object]:
    """Give all knobs, also those at their defaults, which a cell's name leaves out."""
    families = {"workload": cell.workload, "loader": cell.loader, "step": cell.step}
    return {
        f"{family}.{name}": value for family, strategy in families.items() for name, value in strategy.knobs.items()
    }


def _traits(cell: Cell) -> dict[str, object]:
    """Give what the step says that it does, to be held against what it did; nothing where it says nothing."""
    if not cell.step.trains:
        return {}
    traits = cell.step.traits()
    asked = {"precision": None if traits.precision == "unknown" else traits.precision, "compiled": traits.compiled}
    return {name: value for name, value in asked.items() if value is not None}


def _files(request: ReplicateRequest, cell: Cell) -> dict[str, object]:
    """Say for the record which of the user's own files were read: the cell's name says only that they are the same."""
    if request.own_files is None:
        return {}
    from feedrate.plugin.files_workload import FilesWorkload

    workload = cell.workload
    if not isinstance(workload, FilesWorkload):
        return {}
    return {"workload.files": workload.table.description, "workload.batch": workload.batch}


def _ablation(request: ReplicateRequest, cell: Cell, offered: frozenset[int]) -> Ablation | None:
    """Make what takes the cell apart, if the request asks for that."""
    if request.ablation is None:
        return None
    from feedrate.metering.ablation.ablation import Ablation

    return Ablation(cell, request.ablation, request.scratch, offered)


def _why(error: BaseException) -> Kind:
    text = str(error)
    # gloo's own words, where it waits for another rank.
    if isinstance(error, HangError) or "Timed out waiting" in text:
        return "hang"
    if isinstance(error, UnavailableError):
        return "unavailable"
    if isinstance(error, WorkerError):
        return "exception"
    if isinstance(error, ContractError):
        return "invalid"
    if isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text:
        return "out of memory"
    return "exception"


if __name__ == "__main__":
    answer(Path(sys.argv[1]))
    sys.stderr.flush()
    # The answer is written and streams are closed: taking torch apart would only cost every cell a second.
    os._exit(0)

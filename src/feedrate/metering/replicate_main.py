"""The fresh process of one replicate: reads a request, measures, writes an answer."""

from __future__ import annotations

import faulthandler
import json
import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feedrate.errors import ContractError, UnavailableError, one_line
from feedrate.system.stopwatch import since_start_s

if TYPE_CHECKING:
    from feedrate.metering.ablation.ablation import Ablation
    from feedrate.plugin.cell import Cell

__all__ = ["answer"]


def answer(request_path: Path, imported_s: float | None = None) -> None:
    """Answer a request.

    `imported_s`: seconds that importing torch took the process that this one was forked from; None: nothing is
    imported yet.
    """
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    request = json.loads(request_path.read_text())
    scratch = Path(request["scratch"])
    _name_semaphores(scratch.name)
    try:
        found = _measured(request, scratch, imported_s)
    # Whatever a strategy raises is a result; the traceback goes to the log.
    except BaseException as error:
        traceback.print_exc()
        found = {"why": _why(error), "reason": one_line(error)}
    partial = scratch / "answer.part"
    partial.write_text(json.dumps(found, default=_plain, allow_nan=False))
    partial.rename(scratch / "answer.json")


def _name_semaphores(owner: str) -> None:
    """Have multiprocessing name its semaphores after the folder with which they are swept.

    Its own names say nothing of whose they are. The prefix is not documented: where it is not there, nothing changes.
    """
    config = getattr(multiprocessing.current_process(), "_config", {})
    if "semprefix" in config:
        config["semprefix"] = f"/{owner}"


def _measured(request: Mapping[str, Any], scratch: Path, imported_s: float | None) -> Mapping[str, object]:
    from feedrate.plugin.cell import Cell
    from feedrate.plugin.registry import Registry

    cell = Cell.parse(request["cell"], Registry.load(map(Path, request["plugin_files"])))
    unmet = cell.unmet
    if unmet:
        raise UnavailableError("; ".join(need.reason for need in unmet))
    import torch

    import_s = since_start_s() if imported_s is None else imported_s
    torch.set_num_interop_threads(1)
    from feedrate.metering.budget import MeasurementBudget
    from feedrate.metering.meter import Meter
    from feedrate.system.sampling_flags import SamplingFlags

    requested = {"threads": request["threads"], "seconds": request["seconds"], "safe": request["safe"]}
    asked = {f"loader.{name}": value for name, value in cell.loader.knobs.items()}
    if request["safe"]:
        cell = replace(cell, loader=cell.loader.without_workers())
    data = cell.recipe.open(Path(request["data"]))
    effort, marks = MeasurementBudget(seconds=request["seconds"]), SamplingFlags(scratch)
    meter = Meter(cell, data, effort, marks, str(scratch), _probe(request, cell, scratch))
    return {**meter.measure(), "import_s": import_s, "requested": requested | asked}


def _probe(request: Mapping[str, Any], cell: Cell, scratch: Path) -> Ablation | None:
    """What takes the cell apart, if the request asks for that."""
    if request["probe"] is None:
        return None
    from feedrate.metering.ablation.ablation import Ablation, Request

    return Ablation(cell, Request(**request["probe"]), scratch)


def _why(error: BaseException) -> str:
    if isinstance(error, UnavailableError):
        return "unavailable"
    if isinstance(error, ContractError):
        return "invalid"
    text = str(error)
    if isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text:
        return "out of memory"
    return "exception"


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{value!r} has no place in an answer")


if __name__ == "__main__":
    answer(Path(sys.argv[1]))
    sys.stderr.flush()
    # The answer is written and streams are closed: taking torch apart would only cost every cell a second.
    os._exit(0)

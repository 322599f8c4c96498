"""`feedrate doctor`: say what this machine is, and what on it would bend a measurement."""

from __future__ import annotations

import json
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from feedrate.api.cells import device_or_default
from feedrate.api.unread_variables import unread_variables
from feedrate.asv.config import unknown_keys
from feedrate.asv.matrix import Matrix, Names, missing
from feedrate.cli.context import CommandContext
from feedrate.cli.options import add_data, add_device, add_json, add_plugin
from feedrate.errors import DataError
from feedrate.formatting import byte_size
from feedrate.plugin.registry import Registry
from feedrate.records.cell_key import SIMULATED
from feedrate.system.doctor import Finding, SystemView, findings
from feedrate.system.guard import run as run_bound
from feedrate.system.machine import Machine, machine
from feedrate.system.nvml import used_bytes

__all__ = ["arguments", "examined", "run"]

_COPIES_S = 60.0
_ASV, _MATRIX = Path("asv.conf.json"), Path("benchmarks/matrix.json")


def arguments(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    add_data(parser.add_argument)
    add_device(
        parser.add_argument, "whose copies are timed: cuda, or simulated, which has no speed; the GPU if there is one"
    )
    add_plugin(parser.add_argument)
    add_json(parser.add_argument)


def run(options: Namespace, shell: CommandContext) -> int:
    """Print the machine and all findings; always 0, for no finding keeps feedrate from measuring."""
    here, remarks = examined(shell, options.data or shell.data, Registry.load(options.plugin))
    device = device_or_default(options.device)
    copies = {} if device == "cpu" else _copy_rates(device)
    if options.json:
        told = {"machine": asdict(here), "copies": copies or None, "findings": [asdict(remark) for remark in remarks]}
        shell.print_json(told)
        return 0
    for line in (*_lines(here), *_copy_lines(device, copies)):
        shell.out.print(line, soft_wrap=True)
    shell.out.print()
    for remark in remarks:
        shell.out.print(f"! {remark.what}", style="yellow", soft_wrap=True)
        if remark.advice:
            shell.out.print(f"    {remark.advice}", soft_wrap=True)
    if not remarks:
        shell.out.print("nothing here should bend a measurement")
    return 0


def examined(shell: CommandContext, data: Path, registry: Registry) -> tuple[Machine, list[Finding]]:
    """Give the machine, and what on it would bend a measurement whose data lie in that folder."""
    here = machine()
    remarks = findings(SystemView(here, shell.environ, data, used_bytes()))
    lines = (*registry.broken, *unread_variables(shell.environ, Path.cwd()))
    return here, [*remarks, *(Finding(line, "") for line in lines), *_asv_findings(registry)]


def _lines(here: Machine) -> Iterator[str]:
    yield f"machine     {here.name}"
    yield f"processor   {here.cpu}, {here.cores} cores, of which this process can keep {here.usable_cores:g} busy"
    yield f"memory      {byte_size(here.usable_bytes)}"
    for gpu in here.gpus:
        yield f"GPU         {gpu.name}, {byte_size(gpu.memory_bytes)}, driver {gpu.driver}"
    if not here.gpus:
        yield "GPU         none"


def _copy_rates(device: str) -> dict[str, float]:
    """Time copies to a device in a process of their own, bytes a second by kind of memory; empty where they fail."""
    command = [sys.executable, "-m", "feedrate.metering.copy_rates", device]
    try:
        done = run_bound(command, timeout=_COPIES_S)
        rates: dict[str, float] = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        return {}
    return rates


def _copy_lines(device: str, copies: Mapping[str, float]) -> Iterator[str]:
    if copies:
        rates = ", ".join(f"{name.replace('_', '-')} {byte_size(rate)}/s" for name, rate in copies.items())
        yield f"copies      {rates}{' (no hardware: it says nothing)' if device == SIMULATED else ''}"
    elif device != "cpu":
        yield f"copies      could not be timed: torch cannot copy to {device} here"


def _asv_findings(registry: Registry) -> Iterator[Finding]:
    """What is wrong with the benchmarks in the current folder, if it has any."""
    if _ASV.exists() and find_spec("asv") is not None:
        for key in unknown_keys(_ASV):
            yield Finding(f"{_ASV}: nobody reads the key {key!r}", "mend its spelling or delete it: asv says nothing")
    if _MATRIX.exists():
        yield from _matrix_findings(registry)


def _matrix_findings(registry: Registry) -> Iterator[Finding]:
    try:
        new = missing(Matrix.load(_MATRIX), Names.offered(registry))
    except DataError as error:
        yield Finding(str(error), "")
        return
    if new:
        names = ", ".join((*new.workloads, *new.loaders, *new.steps))
        yield Finding(f"{_MATRIX} lacks {names}", "`feedrate matrix --update` adds what is missing")

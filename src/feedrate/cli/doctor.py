"""`feedrate doctor`: say what this machine is, and what on it would bend a measurement."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from feedrate.asv.config import unknown_keys
from feedrate.asv.matrix import Matrix, Names, missing
from feedrate.cli.context import CommandContext
from feedrate.cli.options import add_data, add_json, add_plugin
from feedrate.errors import DataError
from feedrate.formatting import byte_size
from feedrate.plugin.registry import Registry
from feedrate.system.doctor import Finding, SystemView, findings
from feedrate.system.machine import Machine, machine
from feedrate.system.nvml import used_bytes

__all__ = ["arguments", "run"]

_ASV, _MATRIX = Path("asv.conf.json"), Path("benchmarks/matrix.json")


def arguments(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    add_data(parser.add_argument)
    add_plugin(parser.add_argument)
    add_json(parser.add_argument)


def run(options: Namespace, shell: CommandContext) -> int:
    """Print the machine and all findings; always 0, for no finding keeps feedrate from measuring."""
    here = machine()
    remarks = list(findings(SystemView(here, shell.environ, options.data or shell.data, used_bytes())))
    registry = Registry.load(options.plugin)
    remarks += [*(Finding(line, "") for line in registry.broken), *_asv_findings(registry)]
    if options.json:
        shell.print_json({"machine": asdict(here), "findings": [asdict(remark) for remark in remarks]})
        return 0
    for line in _lines(here):
        shell.out.print(line, soft_wrap=True)
    shell.out.print()
    for remark in remarks:
        shell.out.print(f"! {remark.what}", style="yellow", soft_wrap=True)
        if remark.advice:
            shell.out.print(f"    {remark.advice}", soft_wrap=True)
    if not remarks:
        shell.out.print("nothing here should bend a measurement")
    return 0


def _lines(here: Machine) -> Iterator[str]:
    yield f"machine     {here.name}"
    yield f"processor   {here.cpu}, {here.cores} cores, of which this process can keep {here.usable_cores:g} busy"
    yield f"memory      {byte_size(here.usable_bytes)}"
    for gpu in here.gpus:
        yield f"GPU         {gpu.name}, {byte_size(gpu.memory_bytes)}, driver {gpu.driver}"
    if not here.gpus:
        yield "GPU         none"


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

"""`feedrate matrix`: compare what asv measures with what there is to measure."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from feedrate.api.places import Place, demand_writable
from feedrate.asv.matrix import Matrix, Names, missing, updated
from feedrate.cli.context import CommandContext
from feedrate.errors import UsageError
from feedrate.plugin.registry import Registry

__all__ = ["arguments", "run"]


def arguments(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    default = Path("benchmarks/matrix.json")
    parser.add_argument("--file", type=Path, default=default, metavar="FILE", help=f"the matrix: {default}")
    parser.add_argument("--update", action="store_true", help="append what is missing; nothing is moved or removed")


def run(options: Namespace, shell: CommandContext) -> int:
    """Compare, and update if `--update` says so: 0 when the file lacks nothing, 1 when it does."""
    registry = Registry.load()
    matrix = _matrix(options)
    lacking = missing(matrix, Names.offered(registry))
    if lacking and options.update:
        demand_writable([Place("--file", options.file.parent)])
        updated(matrix, Names.offered(registry)).save(options.file)
    verb = "added" if options.update else "missing"
    for kind in ("workloads", "loaders", "steps"):
        for name in getattr(lacking, kind):
            shell.out.print(f"{verb} {kind.removesuffix('s')} {name}", soft_wrap=True)
    if not lacking:
        shell.out.print(f"{options.file} lists everything there is", soft_wrap=True)
    elif not options.update:
        shell.out.print("`feedrate matrix --update` appends them", soft_wrap=True)
    return int(bool(lacking) and not options.update)


def _matrix(options: Namespace) -> Matrix:
    if options.file.exists():
        return Matrix.load(options.file)
    if not options.update:
        raise UsageError(f"{options.file}: no such file; `feedrate matrix --update` starts one")
    return Matrix(Names(), ())

"""`feedrate data`: make, list, verify or remove data sets."""

from __future__ import annotations

import hashlib
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.filesize import decimal

from feedrate.api.auditing import audit
from feedrate.api.cells import device_or_default, size_or_default
from feedrate.api.datasets import make, state
from feedrate.api.places import demand_folder
from feedrate.cli.context import CommandContext
from feedrate.cli.options import add_data, add_json, add_plugin, add_quiet, add_size
from feedrate.data.audit import ColumnAudit
from feedrate.data.dataset import DataSet
from feedrate.data.manifest import MANIFEST
from feedrate.data.own_copies import CopyFolder, copies_of, remove_copy
from feedrate.data.ownership import demand_ours, remove
from feedrate.data.writer import clear_leftovers
from feedrate.errors import DataError, FeedrateError, UnavailableError, UsageError
from feedrate.formatting import ABSENT, number
from feedrate.plugin.registry import Registry
from feedrate.plugin.strategy import near
from feedrate.plugin.workload import SIZES, SizedWorkload, Workload
from feedrate.records.codec import encoded
from feedrate.report.audit_table import print_audits
from feedrate.report.grid import Column, Row, print_grid

__all__ = ["arguments", "run"]


_MOST_NAMES = 500
"""Of removed files; a larger data set is one of pictures."""


def arguments(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("action", metavar="ACTION", help="make, list, verify or remove")
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help="all unless named; remove needs a name")
    parser.add_argument("--force", action="store_true", help="make: write again what is there already")
    parser.add_argument(
        "--audit",
        action="store_true",
        help="list: read everything, and tell of each column what is NaN, infinite or the same in all rows",
    )
    add_quiet(parser.add_argument)
    add_size(parser.add_argument)
    add_data(parser.add_argument)
    add_plugin(parser.add_argument)
    add_json(parser.add_argument)


def run(options: Namespace, shell: CommandContext) -> int:
    """Do the action: 0 done, 1 when a file is damaged."""
    if options.action not in _ACTIONS:
        raise UsageError(f"no action {options.action!r}; {near(options.action, _ACTIONS)}")
    if options.audit and options.action != "list":
        raise UsageError("--audit reads what is there: `feedrate data list --audit`")
    root = options.data or shell.data
    demand_folder("--data", root)
    return _ACTIONS[options.action](options, shell, root)


def _make(options: Namespace, shell: CommandContext, root: Path) -> int:
    registry = Registry.load(options.plugin)
    size = size_or_default(options.size, device_or_default(None))
    named = options.workloads or [name for name, workload in registry.workloads.items() if workload.is_default]
    workloads = [registry.workload(spec) for spec in named]
    for workload in workloads:
        _demand_makeable(workload)
    recipes = [workload.at(size) for workload in workloads]
    for recipe in recipes:
        clear_leftovers(root / recipe.folder_name)
        if options.force or state(recipe, root):
            make(recipe, root, shell.err, quiet=options.quiet)
    return _show([_look(root / recipe.folder_name) for recipe in recipes], options, shell)


def _demand_makeable(workload: Workload) -> None:
    """Refuse a workload whose data set cannot be made here.

    Raises:
        UsageError: its files are somebody's own.
        UnavailableError: it needs what is not there.
    """
    if not workload.is_generated:
        raise UsageError(f"{workload}: its files are your own, and nothing of them is made")
    if workload.unmet_needs():
        raise UnavailableError(f"{workload}: {'; '.join(need.reason for need in workload.unmet_needs())}")


def _list(options: Namespace, shell: CommandContext, root: Path) -> int:
    looks = [_look(folder) for folder in _folders(options, root)]
    if not options.audit:
        _show(looks, options, shell)
        return 0
    registry = Registry.load(options.plugin)
    return _show([_audited(look, registry) for look in looks], options, shell)


def _verify(options: Namespace, shell: CommandContext, root: Path) -> int:
    return _show([_look(folder, thoroughly=True) for folder in _folders(options, root)], options, shell)


def _remove(options: Namespace, shell: CommandContext, root: Path) -> int:
    if not options.workloads:
        raise UsageError("name the data sets to remove, such as `feedrate data remove boardmoves --size small`")
    folders = _folders(options, root)
    # All of them before the first is gone.
    for folder in folders:
        demand_ours(folder)
    copies = [copy for folder in folders for copy in copies_of(folder)]
    removed = {str(copy): remove_copy(copy) for copy in copies}
    removed |= {str(folder): remove(folder) for folder in folders}
    if options.json:
        shell.print_json([{"folder": folder, "files": files} for folder, files in removed.items()])
    elif not options.quiet:
        lines = [f"removed {folder}: {_listed(files)}" for folder, files in removed.items()]
        for line in lines or [f"{root}: nothing to remove"]:
            shell.out.print(line, soft_wrap=True)
    return 0


def _listed(files: Sequence[str]) -> str:
    """The names, or of a folder of pictures the first, the last and how many there were."""
    return (
        ", ".join(files)
        if len(files) <= _MOST_NAMES
        else f"{files[0]} to {files[-2]}, {files[-1]}: {len(files):,} files"
    )


_ACTIONS: Mapping[str, Callable[[Namespace, CommandContext, Path], int]] = {
    "make": _make,
    "list": _list,
    "verify": _verify,
    "remove": _remove,
}


def _folders(options: Namespace, root: Path) -> list[Path]:
    """The folders below `root` that hold a data set that is meant, whole or not."""
    if not options.workloads:
        return sorted(path.parent for path in root.glob(f"*/{MANIFEST}") if ".partial-" not in path.parent.name)
    registry = Registry.load(options.plugin)
    sizes = [size_or_default(options.size, "cpu")] if options.size else SIZES
    meant = [
        root / SizedWorkload(registry.workload(spec), size).folder_name for spec in options.workloads for size in sizes
    ]
    return [folder for folder in meant if (folder / MANIFEST).exists()]


def _look(folder: Path, *, thoroughly: bool = False) -> Look:
    """What is there; with `thoroughly` every byte is read and compared with what was written."""
    try:
        data = DataSet.open(folder)
    except DataError as error:
        return Look(folder, None, str(error))
    faults = "; ".join(data.faults()) if thoroughly else ""
    return Look(folder, data, faults or ("as written" if thoroughly else "ready"))


def _audited(look: Look, registry: Registry) -> Look:
    """The same with its columns, or with why not all of them can be read."""
    if look.data is None:
        return look
    try:
        return replace(look, columns=audit(look.data, registry))
    except FeedrateError as error:
        return replace(look, state=f"not audited: {error}")


@dataclass(frozen=True)
class Look:
    """One data set, as found."""

    folder: Path
    data: DataSet | None
    """None: it cannot be opened."""
    state: str
    columns: tuple[ColumnAudit, ...] = ()
    """What their values come to; empty: nobody asked, or they cannot be read."""

    @property
    def broken(self) -> bool:
        """It is not what was written."""
        return self.state not in ("ready", "as written")

    @property
    def digest(self) -> str:
        """One digest of all files."""
        shards = self.data.shards if self.data else ()
        return hashlib.blake2b("".join(shard.digest for shard in shards).encode(), digest_size=8).hexdigest()


def _show(looks: Sequence[Look], options: Namespace, shell: CommandContext) -> int:
    """Print what is there: 1 if any of it is broken."""
    if options.json:
        shell.print_json([_described(look) for look in looks])
    elif not looks:
        shell.out.print("no data sets here; `feedrate data make` writes them", soft_wrap=True)
    else:
        print_grid(shell.out, _COLUMNS, [Row(_cells(look), "red" if look.broken else "") for look in looks])
        for line in _copy_lines(looks):
            shell.out.print(line, soft_wrap=True)
        print_audits(shell.out, {look.folder.name: look.columns for look in looks})
    return int(any(look.broken for look in looks))


def _copies(look: Look) -> Iterator[CopyFolder | str]:
    """Yield the copies that loaders keep of a data set, or why one cannot be used."""
    for folder in copies_of(look.folder):
        try:
            yield CopyFolder.open(folder)
        except DataError as error:
            yield str(error)


def _copy_lines(looks: Iterable[Look]) -> Iterator[str]:
    for look in looks:
        for copy in _copies(look):
            if isinstance(copy, str):
                yield f"{look.folder.name}: a copy is made again when it is next needed: {copy}"
            else:
                about = f"{decimal(copy.bytes)}, made in {number(copy.made_s, 2)} s"
                yield f"{look.folder.name}: copy of {copy.identity.get('loader', ABSENT)}, {about}"


_COLUMNS = (
    *(Column("data set"), Column("format", leaves=2), Column("rows", right=True, leaves=5)),
    *(Column("files", right=True, leaves=3), Column("size", right=True, leaves=4), Column("digest", leaves=1)),
    Column("state", wraps=True),
)


def _cells(look: Look) -> tuple[str, ...]:
    if look.data is None:
        return look.folder.name, *(ABSENT,) * 5, look.state
    data = look.data
    numbers = (f"{data.rows:,}", f"{len(data.shards):,}", decimal(data.bytes))
    return look.folder.name, data.format, *numbers, look.digest, look.state


def _described(look: Look) -> dict[str, object]:
    described: dict[str, object] = {"folder": str(look.folder), "state": look.state, "broken": look.broken}
    if look.data is None:
        return described
    data = look.data
    shards = [{"file": shard.file, "bytes": shard.bytes, "digest": shard.digest} for shard in data.shards]
    about = {"format": data.format, "rows": data.rows, "bytes": data.bytes, "digest": look.digest}
    fields = [{"name": field.name, "dtype": field.stored, "shape": list(field.shape)} for field in data.fields]
    described |= about | {"identity": dict(data.identity), "shards": shards, "fields": fields}
    described["copies"] = [
        {"folder": str(copy.folder), "identity": dict(copy.identity), "bytes": copy.bytes, "made_s": copy.made_s}
        for copy in _copies(look)
        if isinstance(copy, CopyFolder)
    ]
    return described | ({"columns": [encoded(column) for column in look.columns]} if look.columns else {})

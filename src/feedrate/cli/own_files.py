"""What commands that take a person's own files have in common."""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace
from collections.abc import Sequence

from feedrate.api.session import Session
from feedrate.cli.options import Add, positive
from feedrate.errors import UsageError
from feedrate.plugin.files_workload import FilesWorkload
from feedrate.plugin.workload import OWN_SIZE

__all__ = ["add_files", "demand_files_alone", "own_cell_text", "own_workload"]


def add_files(add: Add, instead_of: str) -> None:
    """Add `--files` and the options that go with it; `instead_of` says what files stand for."""
    add(
        *("--files", "-f"), nargs="+", action="extend", default=[], metavar="FILE",
        help=f"instead of {instead_of} files of your own, or patterns: Parquet, Arrow or HDF5; they are only read",
    )  # fmt: skip
    add(
        "--columns", type=_names, action="extend", default=[], metavar="A,B",
        help="of --files: the columns that are read; all that can be tensors unless named",
    )  # fmt: skip
    add("--batch-size", type=positive(int), metavar="N", help="of --files: rows of a batch: 1024")
    add("--drop-last", action="store_true", help="of --files: no batch of fewer rows at the end of a block")


def _names(text: str) -> tuple[str, ...]:
    names = tuple(filter(None, (name.strip() for name in text.split(","))))
    if not names:
        raise ArgumentTypeError(f"names no column: {text!r}")
    return names


def demand_files_alone(options: Namespace, workloads: Sequence[str] = ()) -> None:
    """Refuse options that go with --files where it is not given, and those that it leaves nothing to say.

    `workloads`: names of others that were asked for.

    Raises:
        UsageError: there is one.
    """
    if not options.files:
        own = {"--columns": options.columns, "--batch-size": options.batch_size, "--drop-last": options.drop_last}
        for option, given in own.items():
            if given:
                raise UsageError(f"{option} goes with --files, which names files of your own")
        return
    if workloads:
        raise UsageError(f"--files is a workload of its own; leave {workloads[0]!r} away")
    if options.size:
        raise UsageError("--files has the size that the files have; leave --size away, and name fewer files for less")


def own_workload(session: Session, options: Namespace) -> FilesWorkload | None:
    """Give the workload that the files make, in batches of the size that was asked for; None: no file is named."""
    if session.own_files is None:
        return None
    batch = {} if options.batch_size is None else {"batch": str(options.batch_size)}
    return session.own_files.with_knobs(batch | {"drop_last": str(options.drop_last).lower()})


def own_cell_text(text: str, session: Session, options: Namespace) -> str:
    """Give the cell that a loader's text, such as `threads[count=4]` or `threads@HEAD~1`, means over a person's files.

    A text that is a cell already, or names only a commit, stays as it is, and so does any where no file is named.
    """
    own, (loader, at, code) = own_workload(session, options), text.partition("@")
    if own is None or not loader or "/" in loader:
        return text
    step = next(name for name, step in session.resources.registry.steps.items() if not step.trains)
    return f"{own}/{OWN_SIZE}/{loader}/{step}{at}{code}"

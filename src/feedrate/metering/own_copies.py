"""Have a loader make the copy of a data set that it reads, once, in a process that ends with it."""

from __future__ import annotations

import hashlib
import multiprocessing
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from feedrate.data.own_copies import CopyFolder
from feedrate.errors import FeedrateError, UnavailableError, WorkerError, one_line
from feedrate.plugin.knobs import text
from feedrate.system.signals import end_of

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from pathlib import Path

    from feedrate.loading.plan import Plan
    from feedrate.plugin.loader import Loader

__all__ = ["copy_identity", "own_copy"]


def own_copy(loader: Loader, plan: Plan, root: Path, data_set: str) -> CopyFolder | None:
    """Give the copy that a loader reads in place of the data set of a plan, made if it is not there; None: it has none.

    `root`: where data sets of that name lie. To be called before anything starts a thread or touches a device: what
    makes the copy is forked, so that this process is as if it had always been there.

    Raises:
        DataError: it cannot be written.
        UnavailableError: the loader cannot keep one of this data set, or of somebody's own files that may change.
        WorkerError: the process that made it was ended.
    """
    if not loader.makes_copy:
        return None
    if not plan.data.shards or not all(shard.digest for shard in plan.data.shards):
        raise UnavailableError(f"{loader}: keeps a copy, and whether these files change nobody would know")
    identity = copy_identity(loader, plan)
    folder = CopyFolder.place(root, data_set, loader.name, identity)
    return CopyFolder.made(folder, identity, lambda files: _forked(loader, lambda: loader.prepare(plan, files)))


def copy_identity(loader: Loader, plan: Plan) -> Mapping[str, str]:
    """Give everything that a copy depends on: the files, what is read of them and how it is cut, and the loader."""
    blocks = repr([(block.start, block.stop, block.spans) for block in plan.stored_blocks]).encode()
    knobs = {name: text(loader.knobs[name]) for name in loader.copy_knobs}
    return {
        "data": hashlib.blake2b(
            "".join(shard.digest for shard in plan.data.shards).encode(), digest_size=8
        ).hexdigest(),
        "fields": repr(plan.fields),
        "blocks": hashlib.blake2b(blocks, digest_size=8).hexdigest(),
        "loader": loader.name,
        "version": str(loader.copy_version),
        **knobs,
    }


def _forked(loader: Loader, job: Callable[[], None]) -> None:
    """Run a job in a child, and raise what it raises."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_told, args=(sender, loader, job))
    process.start()
    sender.close()
    error: Any = None
    with suppress(EOFError):
        error = receiver.recv()
    receiver.close()
    process.join()
    if error is not None:
        raise error
    if process.exitcode:
        raise WorkerError(f"{loader}: the process that made its copy {end_of(process.exitcode)}")


def _told(sender: Connection, loader: Loader, job: Callable[[], None]) -> None:
    try:
        job()
    except FeedrateError as error:
        sender.send(type(error)(str(error)))
    # A stranger's code may raise anything, and not all of it survives pickling.
    except Exception as error:
        sender.send(UnavailableError(f"{loader}: its copy cannot be made ({one_line(error)})"))

"""Hold a loader to naming files that are missing, truncated or corrupt."""

from __future__ import annotations

import shutil
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from feedrate.contract.fixture import Fixture, on_device, with_deadline
from feedrate.contract.promise import promise_if
from feedrate.contract.rows import serves_rows
from feedrate.errors import ContractError, DataError
from feedrate.loading.loader_report import LoaderReport
from feedrate.loading.plan import Plan
from feedrate.plugin.loader import Loader
from feedrate.system.scratch import Scratch

__all__ = ["names_a_corrupt_file", "names_a_missing_file", "names_a_truncated_file"]

_JUNK_BYTES = 512

Harm = Callable[[Path], None]


@promise_if(serves_rows, needs_files=True)
def names_a_missing_file(loader: Loader, fixture: Fixture) -> None:
    """A file that is gone is an `OSError` or `DataError` that names it; no hang, no short epoch."""
    _demand_named(loader, fixture, Path.unlink, "missing")


@promise_if(serves_rows, needs_files=True)
def names_a_truncated_file(loader: Loader, fixture: Fixture) -> None:
    """A file that lost its second half is an `OSError` or `DataError` that names it."""
    _demand_named(loader, fixture, _halve, "cut in half")


@promise_if(serves_rows, needs_files=True)
def names_a_corrupt_file(loader: Loader, fixture: Fixture) -> None:
    """A file whose ends, by which a format is opened, were overwritten is an `OSError` or `DataError` that names it.

    Flipped bits inside a column are not asked for: plain Arrow and HDF5 columns have no checksum to tell them by.
    """
    _demand_named(loader, fixture, _overwrite_ends, "overwritten at both ends")


def _halve(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def _overwrite_ends(path: Path) -> None:
    junk = b"\xa5" * min(_JUNK_BYTES, path.stat().st_size // 2)
    with path.open("r+b") as file:
        file.write(junk)
        file.seek(-len(junk), 2)
        file.write(junk)


def _demand_named(loader: Loader, fixture: Fixture, harm: Harm, how: str) -> None:
    with _harmed(loader, fixture.plan_for(loader), harm) as (plan, file):
        error = with_deadline(fixture.deadline_s, f"{loader}: {file} is {how}", lambda: _error_of(loader, plan))
    if error is None:
        raise ContractError(f"{loader}: goes on as if nothing had happened although {file} is {how}")
    if not isinstance(error, (DataError, OSError)):
        raised = type(error).__name__
        raise ContractError(
            f"{loader}: raises {raised} instead of DataError or OSError although {file} is {how} ({error})"
        ) from error
    if file not in f"{error} {getattr(error, 'filename', '')}":
        raise ContractError(f"{loader}: does not name {file}, which is {how}, but says {str(error)!r}") from error


def _error_of(loader: Loader, plan: Plan) -> Exception | None:
    with on_device(plan):
        try:
            for _ in loader.stream(plan):
                pass
        # Which error it is, is the question.
        except Exception as error:
            # Where it was raised is asked for; what it held there is not.
            traceback.clear_frames(error.__traceback__)
            return error
    return None


@contextmanager
def _harmed(loader: Loader, plan: Plan, harm: Harm) -> Iterator[tuple[Plan, str]]:
    """Give the plan over files of which one, needed half-way, was harmed, and that file's name.

    They are copies of the data set's, or of what the loader keeps in its own format: of those the largest is harmed.
    """
    if loader.makes_copy:
        with Scratch.made() as scratch:
            folder = shutil.copytree(plan.own_copy, scratch.folder / "copy")
            file = max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
            harm(file)
            yield replace(plan.with_copy(folder), report=LoaderReport()), file.name
        return
    blocks = list(plan.epoch_blocks(0))
    block = blocks[len(blocks) // 2]
    shard, _, _ = next(iter(plan.data.locate(block.start, block.stop)))
    with Scratch.made() as scratch:
        copy = replace(plan.data, folder=scratch.folder)
        for index, held in enumerate(plan.data.shards):
            # Links will do for the others: nobody writes to them.
            if index != shard:
                copy.path(index).symlink_to((plan.data.folder / held.file).resolve())
        shutil.copyfile(plan.data.path(shard), copy.path(shard))
        harm(copy.path(shard))
        yield replace(plan, data=copy, report=LoaderReport()), copy.path(shard).name

"""Make data sets where they are missing, and renew those that are stale."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from feedrate.api.places import Place, demand_writable
from feedrate.data.dataset import DataSet
from feedrate.data.ownership import demand_replaceable
from feedrate.data.writer import clear_leftovers
from feedrate.errors import DataError
from feedrate.plugin.workload import SizedWorkload
from feedrate.report.progress import rows_written

__all__ = ["demand_batches", "ensure", "make", "state"]


def ensure(
    recipes: Iterable[SizedWorkload], root: Path, console: Console, *, quiet: bool, says: str = "--data"
) -> None:
    """Write each data set that is missing, damaged or made from something else: it can be made again at any time.

    `says` names the folder in a complaint. Files that are somebody's own are looked at and left as they are.

    Raises:
        DataError: somebody's own were changed meanwhile, or something of somebody's lies where a data set belongs.
    """
    for recipe in recipes:
        if not recipe.workload.is_generated:
            recipe.open(root)
            continue
        clear_leftovers(root / recipe.folder_name)
        problem = state(recipe, root)
        if problem:
            demand_replaceable(root / recipe.folder_name)
            if (root / recipe.folder_name).exists() and not quiet:
                console.print(f"making it again: {problem}", soft_wrap=True)
            make(recipe, root, console, quiet=quiet, says=says)


def demand_batches(recipe: SizedWorkload) -> None:
    """Look whether a workload makes batches as its knobs are set, before anything is written or measured.

    Raises:
        UsageError: knobs of it do not go together.
    """
    if recipe.workload.has_columns:
        recipe.workload.sample_fields(recipe.size)
        recipe.workload.blocks(recipe.size)


def state(recipe: SizedWorkload, root: Path) -> str:
    """Say why the data set cannot be used as it is; empty when it can."""
    try:
        recipe.open(root)
    except DataError as error:
        return str(error)
    return ""


def make(recipe: SizedWorkload, root: Path, console: Console, *, quiet: bool, says: str = "--data") -> DataSet:
    """Write a data set, over an older one if need be.

    Raises:
        DataError: what is there was not written by feedrate, or the disk has too little room.
    """
    folder = root / recipe.folder_name
    demand_replaceable(folder)
    demand_writable([Place(says, root)])
    rows = sum(map(sum, recipe.groups))
    with rows_written(console, recipe.folder_name, rows, quiet=quiet) as progress:
        return DataSet.write(folder, recipe, progress)

"""Reads damaged copies of data sets, and prints a line for each: `damaged_reads.py FOLDER LOADER SEED FIRST LAST`.

FOLDER holds the data sets. It is a process of its own, because a library may crash on what it reads.
"""

from __future__ import annotations

import faulthandler
import resource
import shutil
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from feedrate import DataError, DataSet, Plan, UnavailableError
from feedrate.plugin.loader import Loader
from feedrate.plugin.registry import Registry

Bytes = NDArray[np.uint8]
KINDS = (
    *("boardmoves[compression=none]", "boardmoves[compression=lz4,lists=variable]", "boardmoves[compression=zstd]"),
    *("daywindows", "fxseq", "fxseq[layout=chunked]", "fxseq[layout=gzip]"),
)
"""All formats and codecs."""
HARMS = ("truncated", "flipped", "overwritten", "moved")
_SPARE_BYTES = 4 << 30
"""Address space above what is in use: a length read from junk must not take the machine's memory."""


def harmed(whole: Bytes, random: np.random.Generator) -> tuple[str, Bytes]:
    """A changed copy of a file's bytes; two in three changes are near its ends, where its structure is."""
    how = HARMS[random.integers(len(HARMS))]
    near = int(random.integers(min(2048, len(whole))))
    place = (near, len(whole) - 1 - near, int(random.integers(len(whole))))[random.integers(3)]
    if how == "truncated":
        return how, whole[:place]
    changed = whole.copy()
    if how == "flipped":
        changed[place] ^= np.uint8(1 << int(random.integers(8)))
        return how, changed
    count = min(int(random.integers(1, 64)), len(whole) - place)
    start = int(random.integers(len(whole) - count))
    junk = random.integers(256, size=count, dtype=np.uint8)
    changed[place : place + count] = whole[start : start + count] if how == "moved" else junk
    if np.array_equal(changed, whole):
        changed[place] ^= np.uint8(1)
    return how, changed


def outcome(loader: Loader, plan: Plan, file: Path) -> str:
    """`whole` or `named`; anything else is wrong."""
    lengths = []
    try:
        for batch in loader.stream(plan):
            lengths.append(len(batch))
    except (DataError, UnavailableError, OSError) as error:
        lines = str(error).splitlines()
        return "named" if len(lines) == 1 and str(file) in lines[0] else f"not named: {type(error).__name__}: {error}"
    # Whatever else comes is what is looked for.
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    expected = [len(ids) for ids in plan]
    if loader.promised == "batches":
        lengths, expected = sorted(lengths), sorted(expected)
    return "whole" if lengths == expected else f"short: {len(lengths)} batches of {len(expected)}"


def unseen(data: DataSet, case: int) -> str:
    """Says so if `feedrate data verify` finds nothing in what is damaged; asked now and then: it reads all files."""
    if case % 25:
        return ""
    try:
        return "" if list(DataSet.open(data.folder).faults()) else "verified as written"
    except DataError:
        return ""


def plans(folder: Path, work: Path) -> Iterator[Plan]:
    """A plan over a copy of each data set."""
    registry = Registry.load()
    for kind in KINDS:
        recipe = registry.workload(kind).at("tiny")
        data = recipe.open(folder)
        copy = work / recipe.folder_name
        shutil.copytree(data.folder, copy)
        yield recipe.workload.plan(replace(data, folder=copy), "tiny")


def main() -> None:
    """Read the cases from FIRST to LAST."""
    folder, spec, seed, first, last = Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:])
    faulthandler.enable()
    warnings.simplefilter("ignore")
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + _SPARE_BYTES,) * 2)
    loader = Registry.load().loader(spec)
    with TemporaryDirectory(prefix="damaged-") as work:
        over = list(plans(folder, Path(work)))
        for case in range(first, last):
            random = np.random.default_rng((seed, case))
            plan = over[case % len(over)]
            file = plan.data.path(int(random.integers(len(plan.data.shards))))
            whole = np.fromfile(file, dtype=np.uint8)
            how, changed = harmed(whole, random)
            # A new file: the old one's pages may be mapped still.
            file.unlink()
            changed.tofile(file)
            print(case, how, KINDS[case % len(over)], end=" ", flush=True)
            print((unseen(plan.data, case) or outcome(loader, plan, file)).replace("\n", " ")[:500], flush=True)
            file.unlink()
            whole.tofile(file)


if __name__ == "__main__":
    main()

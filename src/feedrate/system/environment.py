"""Record what a measurement runs under: versions, machine, commit, variables. Imports none of what it names."""

from __future__ import annotations

import platform
import subprocess
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import TYPE_CHECKING

from feedrate.system.machine import machine

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["OWN_VARIABLES", "SETTABLE", "relevant", "snapshot", "unset"]

_DISTRIBUTIONS = ("feedrate", "torch", "numpy", "pyarrow", "h5py", "polars", "pandas", "triton")
_PREFIXES = (
    *("OMP_", "MKL_", "OPENBLAS_", "NUMEXPR_", "KMP_", "GOMP_"),
    *("CUDA_", "CUBLAS_", "CUDNN_", "NVIDIA_", "NCCL_", "PYTORCH_", "TORCH", "TRITON_"),
    *("POLARS_", "ARROW_", "PYARROW_", "RAYON_", "HDF5_", "MALLOC_", "LD_PRELOAD", "GLIBC_TUNABLES"),
    *("ATEN_", "DNNL_", "ONEDNN_", "BLIS_", "TBB_"),
    *("PYTHONMALLOC", "PYTHONOPTIMIZE", "PYTHONDEVMODE", "FORCE_SINGLE_PROCESS"),
)
"""Beginnings of the variables that change how fast a loader or a step is."""
SETTABLE = (
    *("FEEDRATE_DATA", "FEEDRATE_RUN"),
    *("FEEDRATE_DEADLINE_S", "FEEDRATE_DEVICE", "FEEDRATE_LOGS", "FEEDRATE_MEMO", "FEEDRATE_RAW"),
    *("FEEDRATE_REPLICATES", "FEEDRATE_SIZE"),
)
"""Variables of ours that a person may set: docs/settings.md."""
OWN_VARIABLES = frozenset(
    {
        *SETTABLE,
        # What our own processes tell one another.
        *(
            "FEEDRATE_ASV_RUN",
            "FEEDRATE_DRIVER",
            "FEEDRATE_NO_CONFIG",
            "FEEDRATE_NURSERY",
            "FEEDRATE_SCRIPT",
            "FEEDRATE_TRIED_IMPORTS",
            "FEEDRATE_TURNS",
        ),
    }
)
"""Variables of ours that somebody reads."""
_MOST_FILES = 50
"""That differ from a commit, whose names a record has."""


def snapshot(environ: Mapping[str, str], folder: Path | None = None) -> dict[str, object]:
    """Gather everything that two records must share to be compared, as JSON can hold it.

    Keys: `python`, `platform`, `versions` by distribution, `plugins` (versions of the distributions that offer
    strategies), `machine`, `git` of `folder` (the current one if None; None outside a repository) with `commit`,
    `branch`, `dirty` (tracked files differ from the commit), their names as `changed`, and those that git neither
    tracks nor ignores as `untracked`, `variables` that matter and are set.
    """
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {name: _version(name) for name in _DISTRIBUTIONS},
        "plugins": _plugins(),
        "machine": asdict(machine()),
        "git": _git(folder or Path.cwd()),
        "variables": relevant(environ),
    }


def relevant(environ: Mapping[str, str]) -> dict[str, str]:
    """Select the variables that can change a measurement, sorted by name."""
    return {name: environ[name] for name in sorted(environ) if name.startswith(_PREFIXES)}


def unset(variables: Iterable[str]) -> str:
    """Say in one sentence which of the variables that matter were set."""
    names = ", ".join(variables)
    if not names:
        return "all environment variables that change a measurement were unset"
    return f"set: {names}; all others that change a measurement were unset"


def _plugins() -> dict[str, str]:
    owners = {point.dist.name: point.dist for point in entry_points(group="feedrate") if point.dist is not None}
    # One whose metadata are torn has no name.
    return {name: owners[name].version for name in sorted(filter(None, owners)) if name != "feedrate"}


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _git(folder: Path) -> dict[str, object] | None:
    commit = _git_output(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    status = _git_output(folder, "status", "--porcelain", "-z", "--untracked-files=normal")
    if status is None:
        # There may be so many files beside the tracked ones that looking at them takes too long.
        status = _git_output(folder, "status", "--porcelain", "-z", "--untracked-files=no")
    branch = _git_output(folder, "rev-parse", "--abbrev-ref", "HEAD")
    return {"commit": commit, "branch": branch, **_files(status)}


def _files(status: str | None) -> dict[str, object]:
    """Tell which files differ from the commit; None where git does not say."""
    if status is None:
        return {"dirty": None, "changed": None, "untracked": None}
    names: dict[bool, list[str]] = {True: [], False: []}
    entries = iter(status.split("\0"))
    for entry in filter(None, entries):
        names[entry.startswith("??")].append(entry[3:])
        if entry[0] in "RC":
            # What it was called before.
            next(entries, "")
    changed, untracked = names[False], names[True]
    return {"dirty": bool(changed), "changed": _first(changed), "untracked": _first(untracked)}


def _first(names: Sequence[str]) -> list[str]:
    """Give the names, of many the first."""
    more = len(names) - _MOST_FILES
    return [*names[:_MOST_FILES], f"and {more} more"] if more > 0 else list(names)


def _git_output(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(["git", *words], cwd=folder, capture_output=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    # A name of a file is whatever bytes its maker chose, and the first may be a blank.
    return done.stdout.decode(errors="backslashreplace").strip("\n")

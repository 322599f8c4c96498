"""A view of the host's packages without feedrate and its plugins: torch is shared, the code under test is not."""

from __future__ import annotations

import shutil
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path

__all__ = ["host_folders", "lay"]

_SLOW = {"pympler"}
"""asv's runner imports it where it finds it, and numpy with it: 0.25 s in every child, for benchmarks we never have."""


def host_folders() -> tuple[Path, ...]:
    """Name the folders this interpreter imports installed packages from."""
    return tuple(
        dict.fromkeys(Path(entry) for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages"))
    )


def lay(hosts: tuple[Path, ...], target: Path) -> None:
    """Fill `target` with links to all the hosts hold, without feedrate, its plugins and path files.

    A plugin that is installed in the host today must not show up at a commit that does not have it. Path files would
    bring editable installs back in.
    """
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    installed = distributions(path=[str(host) for host in hosts])
    hidden = _SLOW.union(*(_roots(dist) for dist in installed if _ours(dist)))
    for host in hosts:
        for entry in host.iterdir():
            link = target / entry.name
            if entry.name not in hidden and entry.suffix != ".pth" and not link.is_symlink():
                link.symlink_to(entry)


def _ours(dist: Distribution) -> bool:
    return dist.name == "feedrate" or any(point.group == "feedrate" for point in dist.entry_points)


def _roots(dist: Distribution) -> set[str]:
    return {file.parts[0] for file in dist.files or ()}

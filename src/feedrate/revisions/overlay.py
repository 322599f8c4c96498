"""Link the host's packages without feedrate and its plugins: torch is shared, code under test is not."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from urllib.parse import unquote, urlsplit

from feedrate.revisions.wheels import canonical, distribution_names

__all__ = ["host_folders", "lay"]

_SLOW = {"pympler"}
"""asv's runner imports it where it finds it, and numpy with it: 0.25 s in every child, for benchmarks we never have."""
_WAY = "`pip install` it as a wheel, and its version is recorded"


def host_folders() -> tuple[Path, ...]:
    """Name the folders this interpreter imports installed packages from."""
    return tuple(
        dict.fromkeys(Path(entry) for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages"))
    )


def lay(hosts: tuple[Path, ...], target: Path, root: Path) -> tuple[str, ...]:
    """Fill `target` with links to all the hosts hold, without feedrate, the plugins that `root` builds, and path files.

    A plugin of the checkout that is installed in the host today must not show up at a commit that does not have it; one
    from elsewhere is measured at every commit. Path files would bring editable installs back in.

    Returns:
        A line for each plugin from elsewhere that is left out, since its code may change while it is measured.
    """
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    ours, moving = _hidden(tuple(distributions(path=[str(host) for host in hosts])), root)
    hidden = _SLOW.union(*map(_roots, (*ours, *moving)))
    for host in hosts:
        for entry in host.iterdir():
            link = target / entry.name
            if entry.name not in hidden and entry.suffix != ".pth" and not link.is_symlink():
                link.symlink_to(entry)
    return tuple(f"plugin {dist.name!r} is an editable install, its cells are n/a: {_WAY}" for dist in moving)


def _hidden(installed: tuple[Distribution, ...], root: Path) -> tuple[list[Distribution], list[Distribution]]:
    """Select what is hidden: feedrate and the plugins that `root` builds, and plugins that may change."""
    built = {"feedrate", *distribution_names(root)}
    ours, moving = [], []
    for dist in installed:
        source = _source(dist)
        if dist.name and canonical(dist.name) in built:
            ours.append(dist)
        elif any(point.group == "feedrate" for point in dist.entry_points):
            # Installed from a folder here that the checkout has no more: still not a stranger's.
            if source.folder and source.folder.is_relative_to(root.resolve()):
                ours.append(dist)
            elif source.editable:
                moving.append(dist)
    return ours, moving


@dataclass(frozen=True)
class _Source:
    """The folder that a distribution was installed from, where pip noted one."""

    folder: Path | None = None
    editable: bool = False


def _source(dist: Distribution) -> _Source:
    try:
        noted = json.loads(dist.read_text("direct_url.json") or "{}")
        address = urlsplit(noted.get("url", ""))
        folder = Path(unquote(address.path)).resolve() if address.scheme == "file" else None
        return _Source(folder, bool(noted.get("dir_info", {}).get("editable")))
    except (ValueError, AttributeError, TypeError):
        # Not as pip writes it: then it says nothing.
        return _Source()


def _roots(dist: Distribution) -> set[str]:
    return {file.parts[0] for file in dist.files or ()}

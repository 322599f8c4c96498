"""The files of others that asv's page needs: which package each is in, and how to fetch it. None is ever committed."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from feedrate.errors import UnavailableError
from feedrate.guard import run

__all__ = ["FILES", "Vendored", "packed"]


@dataclass(frozen=True)
class Vendored:
    """Where one file of the page comes from, for who has no network at the moment of reading."""

    package: str
    member: str
    integrity: str = ""
    """Of the copy, where the package does not hold the very bytes the page asks for; empty: the page's own holds."""


FILES = {
    "jquery-3.3.1.min.js": Vendored("jquery@3.3.1", "dist/jquery.min.js"),
    # The page asks for a minified flot that its package does not ship; these are the sources of the same version.
    "jquery.flot.min.js": Vendored(
        "flot@0.8.3", "jquery.flot.js", "sha256-t7kx8nPDixJ3ucbB9OBcTsCYhaSHvdrzJ54tfkmjjhI="
    ),
    "jquery.flot.time.min.js": Vendored(
        "flot@0.8.3", "jquery.flot.time.js", "sha256-pYLIMq3HE4prBar2HxbrrCdHAfG+Sv6nfnOaHDS5xBo="
    ),
    "jquery.flot.selection.min.js": Vendored(
        "flot@0.8.3", "jquery.flot.selection.js", "sha256-5shfbB6+S02inYriOMfFBgKD8F9+8FT2uRgX0CwJKRg="
    ),
    "jquery.flot.categories.min.js": Vendored(
        "flot@0.8.3", "jquery.flot.categories.js", "sha256-boFmSyjqeVxzSQb0qhVhRkCnWsf705mn+5CEBAaYNRo="
    ),
    "jquery.flot.orderBars.js": Vendored("flot-orderbars@1.0.0", "js/jquery.flot.orderBars.js"),
    # The page asks for 1.0.1, which was never packed; 1.1.3 sorts the same tables.
    "stupidtable.min.js": Vendored(
        "stupid-table-plugin@1.1.3",
        "stupidtable.min.js",
        "sha256-RkI4Dyjr6e18rCUXk7KB74YgxDhiBdkniPmxL1zOtOA=",
    ),
    "md5.min.js": Vendored("blueimp-md5@2.19.0", "js/md5.min.js"),
    "bootstrap.min.js": Vendored("bootstrap@3.1.1", "dist/js/bootstrap.min.js"),
    "bootstrap.min.css": Vendored("bootstrap@3.1.1", "dist/css/bootstrap.min.css"),
}
"""What the page of asv 0.6.6 asks for, by the last part of its address."""


def packed(wanted: Vendored, cache: Path) -> bytes:
    """Read a file out of its package, fetched once with `npm pack` and then kept in `cache`.

    Raises:
        UnavailableError: there is no npm, it cannot fetch the package, or the package has no such file.
    """
    archive = cache / (wanted.package.replace("@", "-") + ".tgz")
    if not archive.exists():
        _fetch(wanted.package, cache)
    try:
        with tarfile.open(archive) as files:
            found = files.extractfile(f"package/{wanted.member}")
            return found.read() if found else b""
    except (OSError, KeyError, tarfile.TarError) as error:
        raise UnavailableError(f"{wanted.member!r} cannot be read from {str(archive)!r} ({error})") from error


def _fetch(package: str, cache: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise UnavailableError("npm is not installed, which could fetch its files")
    cache.mkdir(parents=True, exist_ok=True)
    command = [npm, "pack", "--silent", "--ignore-scripts", "--pack-destination", str(cache), package]
    try:
        run(command, cwd=cache, timeout=120).check_returncode()
    except (OSError, subprocess.SubprocessError) as error:
        raise UnavailableError(f"npm cannot fetch {package!r}: {error}") from error

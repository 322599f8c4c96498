"""Fetch the files of others that asv's page needs, and read them out of their packages. None is ever committed."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from feedrate.errors import UnavailableError
from feedrate.system.guard import run

__all__ = ["FILES", "Vendored", "fetched", "unpacked"]

_LONGEST_S = 60.0
"""For npm, where a closed network drops what it is sent instead of refusing it."""


@dataclass(frozen=True)
class Vendored:
    """Where one file of the page comes from, for who has no network at the moment of reading."""

    package: str
    member: str
    integrity: str = ""
    """Of the copy, where the package does not hold the very bytes the page asks for; empty: the page's own holds."""

    @property
    def archive(self) -> str:
        """Name of the file that `npm pack` makes of the package."""
        return self.package.replace("@", "-") + ".tgz"


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


def unpacked(wanted: Vendored, folder: Path) -> bytes | None:
    """Read a file out of its package, kept in `folder`; None: it is not there, or the package is torn."""
    try:
        with tarfile.open(folder / wanted.archive) as files:
            member = files.extractfile(f"package/{wanted.member}")
            return member.read() if member else None
    except (OSError, EOFError, KeyError, tarfile.TarError, zlib.error):
        return None


def fetched(folder: Path) -> None:
    """Put all the packages into `folder` with npm, each whole or not at all.

    Raises:
        UnavailableError: there is no npm, it cannot fetch them, or `folder` cannot be written.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise UnavailableError("npm is not installed, which could fetch them")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as draft:
            _pack(npm, Path(draft).resolve())
            for archive in Path(draft).glob("*.tgz"):
                archive.replace(folder / archive.name)
    except OSError as error:
        raise UnavailableError(f"{str(folder)!r} cannot keep them ({error.strerror or error})") from error


def _pack(npm: str, draft: Path) -> None:
    packages = sorted({wanted.package for wanted in FILES.values()})
    # By itself npm tries a closed network for minutes.
    patience = ("--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=20000")
    command = [npm, "pack", "--silent", "--ignore-scripts", *patience, "--pack-destination", str(draft), *packages]
    try:
        run(command, cwd=draft, timeout=_LONGEST_S).check_returncode()
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"npm did not fetch them in {_LONGEST_S:.0f} s") from error
    except subprocess.CalledProcessError as error:
        raise UnavailableError(f"npm cannot fetch them (status {error.returncode})") from error

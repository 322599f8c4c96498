"""Build wheels of feedrate and its plugins once per git tree, and keep them."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

__all__ = ["Package", "WheelCache", "canonical", "distribution_names", "packages", "wheels_folder"]


@dataclass(frozen=True)
class Package:
    """A folder of a checkout that builds into a wheel."""

    checkout: Path
    folder: str
    """Relative to the checkout; `.` is feedrate itself."""

    @property
    def name(self) -> str:
        """Name for files and warnings."""
        return "feedrate" if self.folder == "." else Path(self.folder).name

    @property
    def digest(self) -> str:
        """Tell two versions apart: a hash of git's own tree hashes of what goes into the wheel."""
        parts = ["pyproject.toml", "src"] if self.folder == "." else [self.folder]
        listed = subprocess.run(
            ["git", "ls-tree", "HEAD", "--", *parts], cwd=self.checkout, check=True, capture_output=True, timeout=60
        )
        return hashlib.sha256(listed.stdout).hexdigest()[:24]

    @property
    def is_committed(self) -> bool:
        """Tell whether the folder holds what the last commit has of it, and nothing else that git does not ignore."""
        command = ["git", "status", "--porcelain", "--", self.folder]
        try:
            listed = subprocess.run(command, cwd=self.checkout, capture_output=True, timeout=60)
        except OSError:
            return False
        return listed.returncode == 0 and not listed.stdout


def wheels_folder(kept: Path) -> Path:
    """Give the folder of wheels for this version of Python, in one that outlives environments."""
    return kept / "wheels" / f"py{sys.version_info[0]}.{sys.version_info[1]}"


def packages(checkout: Path) -> tuple[Package, ...]:
    """Find feedrate itself, first, and every plugin under `plugins/`."""
    plugins = sorted(file.parent.relative_to(checkout) for file in checkout.glob("plugins/*/pyproject.toml"))
    return tuple(Package(checkout, str(folder)) for folder in (Path(), *plugins))


def distribution_names(checkout: Path) -> tuple[str, ...]:
    """Name the distributions that a checkout builds, each in its one canonical spelling."""
    return tuple(filter(None, (_distribution_name(checkout / package.folder) for package in packages(checkout))))


def canonical(name: str) -> str:
    """Spell a distribution's name the one way that all its spellings have in common: `Fast_Read` is `fast-read`."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _distribution_name(folder: Path) -> str:
    try:
        return canonical(tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]["name"])
    except (OSError, ValueError, KeyError, TypeError):
        # It does not build, which is said where it is built.
        return ""


@dataclass(frozen=True)
class WheelCache:
    """A folder of wheels that outlives checkouts, commits and environments."""

    folder: Path
    build: Callable[[Path, Path], None]
    """Called as `build(source, target)` to put one wheel of `source` into `target`."""

    def wheel(self, package: Package) -> Path:
        """Give the wheel of a package, built only where no commit before had the same tree."""
        kept = self.folder / f"{package.name}-{package.digest}"
        if not kept.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            # Renamed when complete: a build that is killed leaves nothing that looks like a wheel.
            with TemporaryDirectory(dir=self.folder, ignore_cleanup_errors=True) as draft:
                target = Path(draft) / "wheel"
                target.mkdir()
                self.build(package.checkout / package.folder, target)
                target.rename(kept)
        return next(kept.glob("*.whl"))

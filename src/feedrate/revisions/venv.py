"""Make thin virtual environments: feedrate and plugins as they are in one checkout, everything else the host's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from feedrate.errors import FeedrateError
from feedrate.revisions.overlay import host_folders, lay
from feedrate.revisions.wheels import Package, WheelCache, packages, wheels_folder
from feedrate.system.guard import run

__all__ = ["BuildError", "Venv", "checked"]

_VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
_QUIET_PIP = ("-m", "pip", "--disable-pip-version-check", "--quiet")
_LONGEST_S = 1800.0
"""For a plugin that is compiled."""


class BuildError(FeedrateError):
    """What a checkout holds does not build, or an environment cannot be made."""


@dataclass(frozen=True)
class Venv:
    """Two folders of packages over the interpreter that runs this: `commit`, what is installed, and `host`, links."""

    folder: Path
    kept: Path
    """Where wheels and compiled crates lie that outlive commits and environments."""
    root: Path
    """The checkout whose commits are measured: what it builds is installed at a commit, and never the host's."""

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    def make(self) -> None:
        """Make it anew, with nothing installed.

        Raises:
            BuildError: virtualenv cannot.
        """
        checked([sys.executable, "-m", "virtualenv", "--quiet", "--no-download", str(self.folder)], Path.cwd())
        library = self.folder / "lib" / f"python{_VERSION}" / "site-packages"
        (library / "feedrate-overlay.pth").write_text(f"{self.folder / 'commit'}\n{self.folder / 'host'}\n")

    def look(self) -> tuple[str, ...]:
        """Look at the host's packages anew: they may have changed since; gives a line for each plugin left out."""
        return lay(host_folders(), self.folder / "host", self.root)

    def empty(self) -> None:
        """Take away what was installed."""
        shutil.rmtree(self.folder / "commit", ignore_errors=True)

    def install(self, checkout: Path) -> tuple[str, ...]:
        """Install what the checkout holds; gives a line for each plugin that does not build, for the rest goes on.

        Raises:
            BuildError: feedrate itself does not build.
        """
        own, *plugins = packages(checkout)
        wheel_cache, lacking = WheelCache(wheels_folder(self.kept), self._build), []
        wheels = [wheel_cache.wheel(own)]
        for plugin in plugins:
            try:
                wheels.append(wheel_cache.wheel(plugin))
            except BuildError as error:
                # A machine without a Rust compiler still measures the rest: what the plugin offers is n/a.
                lacking.append(_lacks(plugin, error))
        target = ["--target", str(self.folder / "commit")]
        self._pip(self.folder, "install", "--no-deps", "--no-index", *target, *map(str, wheels))
        return tuple(lacking)

    def _build(self, source: Path, target: Path) -> None:
        options = ("--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(target))
        self._pip(target, "wheel", *options, str(source))

    def _pip(self, folder: Path, *arguments: str) -> None:
        # Build backends such as maturin call programs that sit beside the host's interpreter, not in the venv.
        places = (str(self.folder / "bin"), os.environ.get("PATH", ""), str(Path(sys.executable).parent))
        # A user's own folder of packages is not the host's, and pip refuses it in a virtual environment.
        settings = {
            "PATH": os.pathsep.join(places), "CARGO_TARGET_DIR": str(self.kept / "cargo"), "PIP_USER": "false"
        }  # fmt: skip
        checked([str(self.python), *_QUIET_PIP, *arguments], folder, settings)


def _lacks(plugin: Package, error: BuildError) -> str:
    return f"plugin {plugin.name!r} does not build at this commit, its cells are n/a: {error}"


def checked(command: Sequence[str], folder: Path, settings: Mapping[str, str] | None = None) -> None:
    """Run a command in `folder`, with variables besides ours.

    Raises:
        BuildError: it fails; the text is its last line.
    """
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environ |= settings or {}
    try:
        done = run(command, cwd=folder, env=environ, stderr=subprocess.STDOUT, timeout=_LONGEST_S)
    except subprocess.TimeoutExpired:
        raise BuildError(f"{' '.join(command[:4])} was still at it after {_LONGEST_S / 60:.0f} minutes") from None
    if done.returncode:
        lines = done.stdout.strip().splitlines()
        raise BuildError(f"{' '.join(command[:4])} ended with status {done.returncode}: {lines[-1] if lines else ''}")

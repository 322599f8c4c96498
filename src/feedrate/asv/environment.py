"""Define asv's environment type `feedrate`: a thin venv over the interpreter that already holds torch.

asv's own kinds either download torch again for every environment or cannot go back in history. Here a commit costs one
small wheel and one per plugin, each built once per git tree, offline. `asv.conf.json` names this module in `plugins`.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from asv import util
from asv.console import log
from asv.environment import Environment, EnvironmentUnavailable

import feedrate
from feedrate.asv.direct_answers import DirectAnswer
from feedrate.asv.sample_cache import Measure
from feedrate.asv.settings import AsvSettings, identity, run_variables
from feedrate.errors import UsageError
from feedrate.revisions.cell_server import CellServers
from feedrate.revisions.venv import BuildError, Venv
from feedrate.runner.forkserver import FORK_SERVER, ForkServer
from feedrate.system.machine import gpus

__all__ = ["Overlay"]

_VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"


class Overlay(Environment):  # type: ignore[misc]  # asv has no types
    """Install feedrate and its plugins of one commit; all else is the host's, plugins from elsewhere too."""

    tool_name = "feedrate"

    # Any: asv's configuration, repository and tables have no types.
    def __init__(self, conf: Any, python: str, requirements: dict[str, str], tagged_env_vars: Any) -> None:
        if python != _VERSION:
            raise EnvironmentUnavailable(
                f"feedrate: no Python {python} to lay over, asv runs under {_VERSION}; change 'pythons'"
            )
        # As part of the environment's name they keep sizes and devices in histories of their own.
        try:
            settled = {("nobuild", name): value for name, value in identity(os.environ, gpu=bool(gpus())).items()}
        except UsageError as error:
            raise EnvironmentUnavailable(f"feedrate: FEEDRATE_DEVICE: {error}") from None
        # asv's own constructor reads it before it sets it.
        self._requirements = requirements
        super().__init__(conf, python, requirements, {**settled, **tagged_env_vars})
        self._kept = Path(conf.env_dir).resolve()
        self._servers = CellServers()
        atexit.register(self._servers.close)
        self._global_env_vars |= run_variables(os.environ, Path(conf.results_dir)) | {
            "FEEDRATE_DRIVER": str(Path(feedrate.__file__).parents[1]),
            "FEEDRATE_DATA": str(Path(os.environ.get("FEEDRATE_DATA") or "data").resolve()),
            FORK_SERVER: str(_fork_server()),
        }

    @classmethod
    def matches(cls, python: str) -> bool:
        """Only the version of the interpreter that asv runs under can be laid over."""
        return python == _VERSION

    def run(self, args: list[str], **kwargs: Any) -> Any:
        """Run the environment's interpreter, unless what asv asks of it can be answered here."""
        environ, folder = {**kwargs.get("env", os.environ), **self._global_env_vars}, kwargs.get("cwd")
        measure_for = partial(self._measure_for, environ)
        direct = DirectAnswer.of(args, environ, Path(folder) if folder else None, measure_for)
        return self.run_executable("python", args, **kwargs) if direct is None else direct.outcome

    def _measure_for(self, environ: Mapping[str, str], settings: AsvSettings, folder: Path) -> Measure | None:
        """Give the way to measure that the commit under test serves; None: it serves none."""
        # As asv would set them for its own process.
        variables = {name: value for name, value in environ.items() if name != "PYTHONPATH"}
        variables["PATH"] = os.pathsep.join((str(Path(self._path) / "bin"), environ.get("PATH", "")))
        invocation = replace(settings.invocation, python=str(self._venv.python), variables=variables)
        server = self._servers.server(invocation, folder / "serve.log")
        return None if server is None else server.measure

    def create(self) -> None:
        """Make the venv where there is none, and look at the host's packages anew: they may have changed since."""
        super().create()
        for line in self._venv.look():
            log.warning(line)

    def _setup(self) -> None:
        log.info(f"Laying {self.name} over {sys.executable}")
        self._venv.make()

    def _uninstall_project(self) -> None:
        self._servers.close()
        self._set_installed_commit_hash(None)
        self._venv.empty()

    def _build_project(self, repo: Any, commit_hash: str, build_dir: str) -> None:
        """Nothing: asv keeps builds by commit and the last two only; ours are kept by tree, see `Venv.install`."""

    def _install_project(self, repo: Any, commit_hash: str, build_dir: str) -> None:
        log.info(f"Installing {repo.get_decorated_hash(commit_hash, 8)} into {self.name}")
        try:
            lacking = self._venv.install(Path(build_dir))
        except BuildError as error:
            # The kind that asv takes for a commit that does not build, and goes on.
            raise util.ProcessError(["pip", "install", build_dir], 1, str(error), "") from error
        for line in lacking:
            log.warning(line)

    @property
    def _venv(self) -> Venv:
        return Venv(Path(self._path), self._kept, Path.cwd())


def _fork_server() -> Path:
    """Make a folder for as long as this asv lives: the commits' own `feedrate run` share fork servers in it."""
    scratch = ForkServer.made()
    atexit.register(scratch.remove)
    return scratch.folder

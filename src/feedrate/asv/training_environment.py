"""Define asv's environment type `feedrate-training`: all that is installed here, for commits of a person's repository.

asv's `existing` takes no range of commits, and its other kinds install the project and all that it needs anew. Here
nothing is installed: benchmarks run the commit's code themselves, see `TrainingBenchmark`. `asv.conf.json` names this
module in `plugins`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from asv import util
from asv.environment import Environment, EnvironmentUnavailable

from feedrate.asv.settings import run_variables
from feedrate.asv.training import ENVIRONMENT
from feedrate.system.scratch import sweep

__all__ = ["TrainingEnvironment"]

_VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"


class TrainingEnvironment(Environment):  # type: ignore[misc]  # asv has no types
    """Run benchmarks in the interpreter that runs asv, and tell them which commit is asked for."""

    tool_name = ENVIRONMENT

    # Any: asv's configuration, repository and tables have no types.
    def __init__(self, conf: Any, python: str, requirements: dict[str, str], tagged_env_vars: Any) -> None:
        if python != _VERSION:
            raise EnvironmentUnavailable(
                f"{ENVIRONMENT}: no Python {python} here, asv runs under {_VERSION}; take 'pythons' out"
            )
        # asv's own constructor reads it before it sets it.
        self._requirements = requirements
        super().__init__(conf, python, requirements, tagged_env_vars)
        self._global_env_vars |= run_variables(os.environ, Path(conf.results_dir))

    @classmethod
    def matches(cls, python: str) -> bool:
        """Only the version of the interpreter that asv runs under is here."""
        return python == _VERSION

    @property
    def installed_commit_hash(self) -> str | None:
        """None: nothing is installed, so asv asks for each commit."""
        return None

    def check_presence(self) -> bool:
        """It is always there."""
        return True

    def create(self) -> None:
        """Remove what runs that were killed left behind."""
        sweep()

    def install_project(self, conf: Any, repo: Any, commit_hash: str) -> None:
        """Tell benchmarks the commit; they make a folder with its code when they need one."""
        del conf, repo
        self._set_commit_hash(commit_hash)

    def run(self, args: list[str], **kwargs: Any) -> Any:
        """Run the interpreter, with the variables that are set here: the environment is the user's own."""
        environ = {**kwargs.pop("env", os.environ), **self._global_env_vars}
        # What asv starts takes the one away from itself, unless there is the other.
        if "PYTHONPATH" in environ:
            environ.setdefault("ASV_PYTHONPATH", environ["PYTHONPATH"])
        return util.check_output([sys.executable, *args], env=environ, **kwargs)

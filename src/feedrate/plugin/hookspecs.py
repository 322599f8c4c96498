"""Declare the three hooks by which a plugin offers loaders, steps and workloads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from feedrate.plugin.loader import Loader
    from feedrate.plugin.step import Step
    from feedrate.plugin.workload import Workload

__all__ = ["hookimpl", "hookspec", "loaders", "steps", "workloads"]

PROJECT = "feedrate"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def loaders() -> Iterable[type[Loader]]:
    """Give the ways of getting rows off the disk that you offer."""
    raise NotImplementedError


@hookspec
def steps() -> Iterable[type[Step]]:
    """Give the ways of training on a batch that you offer."""
    raise NotImplementedError


@hookspec
def workloads() -> Iterable[Workload]:
    """Give the tasks that you offer to measure them on."""
    raise NotImplementedError

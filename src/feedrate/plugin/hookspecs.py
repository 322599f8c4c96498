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
    """Which ways of getting rows off the disk do you offer?"""
    raise NotImplementedError


@hookspec
def steps() -> Iterable[type[Step]]:
    """Which ways of training on a batch do you offer?"""
    raise NotImplementedError


@hookspec
def workloads() -> Iterable[Workload]:
    """Which tasks do you offer to measure them on?"""
    raise NotImplementedError

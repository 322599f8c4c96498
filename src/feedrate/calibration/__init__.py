"""Strategies of known behaviour, offered through the same hooks as a stranger's: what `feedrate calibrate` measures."""

from __future__ import annotations

from collections.abc import Iterable

from feedrate.calibration.disturbing import Disturbing
from feedrate.calibration.evicting import Evicting
from feedrate.calibration.faulty import Faulty
from feedrate.calibration.growing import Growing
from feedrate.calibration.known import Known
from feedrate.calibration.paced import Paced
from feedrate.calibration.timed import Timed
from feedrate.calibration.understaffed import Understaffed
from feedrate.calibration.unfaithful import Unfaithful
from feedrate.hookspecs import hookimpl
from feedrate.loader import Loader
from feedrate.step import Step
from feedrate.workload import Workload

__all__ = ["loaders", "steps", "workloads"]


@hookimpl
def loaders() -> Iterable[type[Loader]]:
    """Loaders that are slow, disturb, leak or lie in known ways."""
    return Paced, Disturbing, Evicting, Growing, Understaffed, Unfaithful


@hookimpl
def steps() -> Iterable[type[Step]]:
    """A step of known duration, and one that trains wrongly."""
    return Timed, Faulty


@hookimpl
def workloads() -> Iterable[Workload]:
    """The task that they are measured on."""
    return (Known(),)

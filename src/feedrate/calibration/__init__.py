"""Offer strategies of known behaviour, which `feedrate calibrate` measures, through the same hooks as a stranger's."""

from __future__ import annotations

from collections.abc import Iterable

from feedrate.calibration.strategies.accompanied import Accompanied
from feedrate.calibration.strategies.bookkeeping import Bookkeeping
from feedrate.calibration.strategies.broken_training import Faulty
from feedrate.calibration.strategies.crew import Crew
from feedrate.calibration.strategies.evicting import Evicting
from feedrate.calibration.strategies.fixed_cost import Timed
from feedrate.calibration.strategies.interfering import Disturbing
from feedrate.calibration.strategies.lasting_loaders import Lingering
from feedrate.calibration.strategies.lasting_steps import Lasting
from feedrate.calibration.strategies.leaking import Growing
from feedrate.calibration.strategies.lost_worker import Understaffed
from feedrate.calibration.strategies.paced import Paced
from feedrate.calibration.strategies.synthetic import Known
from feedrate.calibration.strategies.wrong_rows import Unfaithful
from feedrate.plugin.hookspecs import hookimpl
from feedrate.plugin.loader import Loader
from feedrate.plugin.step import Step
from feedrate.plugin.workload import Workload

__all__ = ["loaders", "steps", "workloads"]


@hookimpl
def loaders() -> Iterable[type[Loader]]:
    """Offer loaders that are slow, disturb, leak or lie in known ways."""
    return Paced, Disturbing, Evicting, Growing, Lingering, Understaffed, Unfaithful, Crew, Accompanied


@hookimpl
def steps() -> Iterable[type[Step]]:
    """Offer steps that take, keep books or get worse in known ways, and one that trains wrongly."""
    return Timed, Faulty, Bookkeeping, Lasting


@hookimpl
def workloads() -> Iterable[Workload]:
    """Offer the task that they are measured on."""
    return (Known(),)

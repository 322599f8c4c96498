"""A plugin in one file: a workload that costs nothing, and loaders that go wrong in known ways."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sums import Sums

from feedrate import Loader, Need, Step, Workload, hookimpl, knob
from feedrate.builtin.loaders.inline import Inline
from feedrate.builtin.steps.fp32 import Fp32

if TYPE_CHECKING:
    from feedrate import Plan, Stream


@dataclass(frozen=True)
class Plain(Inline):
    """Do nothing special.

    This is not in the list.
    """

    name = "plain"
    depth: int = knob(2, 4)


@dataclass(frozen=True)
class Broken(Inline):
    """Fail before the first batch."""

    name = "broken"

    def stream(self, plan: Plan) -> Stream:
        yield from ()
        raise ValueError(f"no good for {plan.device}")


@dataclass(frozen=True)
class Wrong(Inline):
    """Leave out every other batch."""

    name = "wrong"

    def stream(self, plan: Plan) -> Stream:
        for number, batch in enumerate(super().stream(plan)):
            if number % 2:
                yield batch


@dataclass(frozen=True)
class Stuck(Inline):
    """Never serve anything."""

    name = "stuck"
    hidden = True

    def stream(self, plan: Plan) -> Stream:
        del plan
        signal.pause()
        yield from ()


@dataclass(frozen=True)
class Needy(Inline):
    """Need what nobody has."""

    name = "needy"
    needs = (Need("the package 'nope'", lambda: False, "`pip install nope` provides it"),)


@dataclass(frozen=True)
class Train(Fp32):
    """Train plainly."""

    name = "train"


@hookimpl
def loaders() -> Iterable[type[Loader]]:
    return Plain, Broken, Wrong, Stuck, Needy


@hookimpl
def steps() -> Iterable[type[Step]]:
    return (Train,)


@hookimpl
def workloads() -> Iterable[Workload]:
    return (Sums(),)

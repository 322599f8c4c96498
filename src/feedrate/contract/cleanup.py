"""Find what a stream leaves behind, counted by the kernel: threads of Rust and C++ are invisible to Python."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from contextlib import suppress

from feedrate.contract.fixture import Fixture, on_device, with_deadline
from feedrate.contract.process_resources import Left, ProcessResources
from feedrate.contract.promise import Promise
from feedrate.errors import ContractError
from feedrate.loading.plan import Plan
from feedrate.plugin.loader import Loader

__all__ = ["ends_when_closed", "ends_when_the_consumer_fails", "leaves_nothing_behind"]

_POLL_S = 0.02
_STREAMS = 4
"""All of which must leave something behind that may be a library's."""

Use = Callable[[Loader, Plan], None]


@Promise
def leaves_nothing_behind(loader: Loader, fixture: Fixture) -> None:
    """After the last batch no process, thread, open file, shared or page-locked memory is left."""
    _demand_clean(loader, fixture, _drain, "after the last batch")


@Promise
def ends_when_closed(loader: Loader, fixture: Fixture) -> None:
    """Closed after one batch, it leaves nothing, either."""
    _demand_clean(loader, fixture, _close_early, "when closed after one batch")


@Promise
def ends_when_the_consumer_fails(loader: Loader, fixture: Fixture) -> None:
    """Dropped by a consumer that raised, it leaves nothing, either."""
    _demand_clean(loader, fixture, _fail_early, "when the consumer raises")


def _drain(loader: Loader, plan: Plan) -> None:
    with on_device(plan):
        for _ in loader.stream(plan):
            pass


def _close_early(loader: Loader, plan: Plan) -> None:
    with on_device(plan):
        stream = loader.stream(plan)
        next(stream, None)
        stream.close()


class _ConsumerError(Exception):
    """What a failing consumer raises."""


def _fail_early(loader: Loader, plan: Plan) -> None:
    with on_device(plan), suppress(_ConsumerError):
        for _ in loader.stream(plan):
            raise _ConsumerError


def _demand_clean(loader: Loader, fixture: Fixture, use: Use, when: str) -> None:
    """Run `use` and look what is left; again, if a library may have kept it.

    torch, Arrow, Polars, OpenMP and CUDA start threads and open files at first use, keep them for the life of the
    process and have no way to say so. A stream that is closed early may or may not get as far as that. A leak comes
    back with every stream: only when each of a few leaves something is it one. The same holds for shared memory, which
    a neighbour may have made at that moment. What is named is what each of them left, if there is any.
    """
    each: list[set[str]] = []
    while len(each) < _STREAMS:
        before = ProcessResources.now(fixture.plan)
        with_deadline(fixture.deadline_s, loader, lambda: use(loader, fixture.plan_for(loader)))
        left = _settled(before, fixture)
        if not left.all:
            return
        each.append(set(left.all))
        if left.sure:
            break
    first, *others = left.sure or sorted(set.intersection(*each)) or left.all
    more = f" and {len(others)} more" if others else ""
    raise ContractError(f"{loader}: leaves {first}{more} behind {when}")


def _settled(before: ProcessResources, fixture: Fixture) -> Left:
    """What is left once everything that was told to end had the time to."""
    for turn in range(max(1, round(fixture.grace_s / _POLL_S))):
        left = ProcessResources.now(fixture.plan).since(before)
        if not left.all:
            break
        if turn == 0:
            # A training run collects garbage now and then: what only a cycle holds is not left behind.
            gc.collect()
        time.sleep(_POLL_S)
    return left

"""Watch what a loader reads, cuts and starts while it streams, from whatever thread or process of its own."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from feedrate.contract.digest import digest
from feedrate.contract.fixture import Fixture, on_device, with_deadline
from feedrate.contract.process_resources import child_processes
from feedrate.loading.plan import Plan
from feedrate.plugin.loader import Loader
from feedrate.system.scratch import Scratch

if TYPE_CHECKING:
    from torch import Tensor

    from feedrate.loading.batch import Columns
    from feedrate.loading.block import Block
    from feedrate.loading.source import Source

__all__ = ["WatchedStream", "watched"]

_TAKEN = 2
"""Batches after which a stream is left alone, until it cuts no more."""
_POLL_S = 0.02
_QUIET_POLLS = 15
_CUT = "cut"


@dataclass(frozen=True)
class WatchedStream:
    """What was seen of one stream of a loader."""

    digests: tuple[str, ...]
    """Of each batch as it came."""
    ready: int | None
    """Batches that were cut before anybody asked for them, when the stream was left alone; None: it cuts them otherwise
    than by `Columns.batch`, where nobody sees it."""
    reads: Mapping[int, int]
    """How often each block was read through `plan.open()`, by its number."""
    processes: tuple[str, ...]
    """Those that the stream had started, by their command lines."""


def watched(loader: Loader, fixture: Fixture) -> WatchedStream:
    """Give what is seen of a second stream of `loader`; streamed once, however many promises ask.

    Raises:
        ContractError: the stream fails or hangs.
    """

    def look() -> WatchedStream:
        return with_deadline(fixture.deadline_s, loader, lambda: _watched(loader, fixture))

    return fixture.once(("watched", loader), look)


def _watched(loader: Loader, fixture: Fixture) -> WatchedStream:
    before = child_processes().keys()
    started: dict[int, str] = {}
    digests: list[str] = []
    ready = -1
    with Scratch.made() as scratch:
        events = _Events(scratch.folder / "events")
        plan = fixture.plan_for(loader)
        plan = replace(plan, placement=replace(plan.placement, source_factory=_WatchedSource(events)))
        with on_device(plan), closing(loader.stream(plan)) as stream:
            # One that has no end is told so by another promise.
            for batch in islice(stream, 2 * len(plan) + 2):
                digests.append(digest(batch))
                if len(digests) == _TAKEN:
                    ready = events.cuts_at_rest(fixture.grace_s) - _TAKEN
                if len(digests) in (_TAKEN, len(plan)):
                    started |= child_processes()
        reads = events.reads()
    processes = tuple(command for pid, command in started.items() if pid not in before)
    return WatchedStream(tuple(digests), None if ready < 0 else ready, reads, processes)


@dataclass(frozen=True)
class _Events:
    """A file that every process of a loader adds its lines to."""

    path: Path

    def note(self, event: str) -> None:
        """Add a line; nothing once the file is gone, for nobody looks any more."""
        with suppress(FileNotFoundError), self.path.open("ab", buffering=0) as file:
            file.write(f"{event}\n".encode())

    def cuts_at_rest(self, patience_s: float) -> int:
        """Count the batches that were cut, once there were no more for a while."""
        count, quiet_polls = self._cuts(), 0
        for _ in range(max(_QUIET_POLLS, round(patience_s / _POLL_S))):
            time.sleep(_POLL_S)
            before, count = count, self._cuts()
            quiet_polls = quiet_polls + 1 if count == before else 0
            if quiet_polls == _QUIET_POLLS:
                break
        return count

    def reads(self) -> Mapping[int, int]:
        """Count how often each block was read."""
        return Counter(int(line) for line in self._lines() if line != _CUT)

    def _cuts(self) -> int:
        return self._lines().count(_CUT)

    def _lines(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else []


@dataclass(frozen=True)
class _WatchedSource:
    """Opens a plan's source in its place; travels with the plan to a loader's processes."""

    events: _Events

    @contextmanager
    def __call__(self, plan: Plan) -> Iterator[Source]:
        """The source, for one process."""
        with closing(plan.plain_source()) as source:
            yield _NotingSource(source, self.events)


class _NotingSource:
    def __init__(self, source: Source, events: _Events) -> None:
        self._source, self._events = source, events

    def read(self, block: Block) -> Columns:
        """See `Source`."""
        columns = self._source.read(block)
        self._events.note(str(block.number))
        return replace(columns, derive=_Noting(self._events, columns.derive))


@dataclass(frozen=True)
class _Noting:
    """Derives tensors of a batch that is being cut, and notes that one is."""

    events: _Events
    derive: Callable[[Mapping[str, Tensor]], dict[str, Tensor]] | None

    def __call__(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        self.events.note(_CUT)
        return {} if self.derive is None else self.derive(tensors)

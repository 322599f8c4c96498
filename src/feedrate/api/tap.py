"""Measure a loop where it stands: in a notebook, or where batches come from no DataLoader of torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Generic, TypeVar

from feedrate.errors import UnavailableError, UsageError
from feedrate.records.measurement import Failure
from feedrate.records.request import SCRIPT_REQUEST, ScriptRequest
from feedrate.system.scratch import Scratch
from feedrate.system.stopwatch import now_s, since_start_s

if TYPE_CHECKING:
    from feedrate.api.diagnosis_result import DiagnosisResult
    from feedrate.records.answer import Measured

__all__ = ["Tap", "measure_loop", "tap"]

T = TypeVar("T")

_WARM_BATCHES = 3
"""Batches that a loop trains on before it is timed."""


def tap(batches: Iterable[T], *, seconds: float = 0.4) -> Iterable[T]:
    """Give a loop its batches, and say what holds it back when enough is known: `for batch in feedrate.tap(batches)`.

    The loop trains on batches that come, on copies of some of them again, and waits while others are drained; then it
    ends, the verdict is printed, and `result` of what this function gave has it. What was trained is of no use. Below
    `feedrate why -- COMMAND` it marks the loop that is measured, and whoever asked gets the verdict.

    Args:
        batches: What the loop iterates, such as a DataLoader; it must give batches each time that it is iterated.
        seconds: Aim of each of the three times.
    """
    if os.environ.get(SCRIPT_REQUEST):
        from feedrate.metering.script.session import session

        return session(since_start_s()).tapped(batches)
    return Tap(batches, seconds)


def measure_loop(batches: Iterable[T], step: Callable[[T], object], *, seconds: float = 0.4) -> DiagnosisResult:
    """Call `step` with one batch after another until it is known what holds the loop back; see `tap`.

    Raises:
        UsageError: `batches` ended before enough was known.
    """
    tapped = Tap(batches, seconds, quiet=True)
    for batch in tapped:
        step(batch)
    return tapped.result


class Tap(Generic[T]):
    """Batches for one loop, and what became known of it."""

    def __init__(self, batches: Iterable[T], seconds: float = 0.4, *, quiet: bool = False) -> None:
        """`quiet`: the verdict is not printed."""
        self._batches, self._seconds, self._quiet = batches, seconds, quiet
        self._result: DiagnosisResult | None = None

    @property
    def result(self) -> DiagnosisResult:
        """What holds the loop back.

        Raises:
            UsageError: the loop has not come so far.
        """
        if self._result is None:
            raise UsageError("the loop ended before enough was known of it; let it take more batches")
        return self._result

    def __iter__(self) -> Iterator[T]:
        with Scratch.made() as scratch:
            yield from self._timed(ScriptRequest(scratch.folder, self._seconds, watched=False))
        if not self._quiet:
            print(self.result)

    def _timed(self, request: ScriptRequest) -> Iterator[T]:
        """Give the loop its batches until enough is known, and keep that; nothing is known where they end before."""
        from feedrate.metering.script.answering import Measurer
        from feedrate.metering.script.epochs import Beginning, Epochs, length_of

        measurer, start = Measurer(request), now_s()
        epoch, beginning = iter(self._batches), Beginning()
        for _ in range(_WARM_BATCHES):
            try:
                batch = next(epoch)
            except StopIteration:
                return
            asked = now_s()
            beginning.first_batch_s = beginning.first_batch_s or asked - start
            yield batch
            beginning.first_step_s = beginning.first_step_s or now_s() - asked
        epochs = Epochs(lambda: iter(self._batches), epoch, length_of(self._batches), given=_WARM_BATCHES)
        # Whoever holds an epoch keeps its workers.
        del epoch
        try:
            yield from measurer.serve(self._batches, epochs, updates_every=1)
        except UnavailableError as error:
            raise UsageError(f"nothing can be timed here: {error}") from None
        self._result = _result(measurer.answer(beginning))


def _result(answer: Measured) -> DiagnosisResult:
    from feedrate.api.diagnosis_result import DiagnosisResult
    from feedrate.diagnosis.diagnosis import Diagnosis
    from feedrate.records.ladder import Ladder
    from feedrate.runner.outcome import Heading, answered
    from feedrate.runner.watch import Ending
    from feedrate.system.environment import snapshot

    cell = f"loop/own/tap/own/{answer.cell.observed['device']}"
    started = datetime.now(UTC).isoformat(timespec="seconds")
    replicate = answered(Heading(cell, "tap", 0, started, snapshot(os.environ)), answer, Ending())
    if isinstance(replicate, Failure):
        raise UsageError(f"the numbers must not be shown: {replicate.reason}")
    return DiagnosisResult((Diagnosis.of([(replicate.measurement, replicate.ladder or Ladder())]),))

"""A person's loader as one stream without end: where an epoch ends, the next one begins, and that is timed apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from feedrate.errors import UnavailableError
from feedrate.metering.script.batches import samples_of
from feedrate.system.stopwatch import now_s

__all__ = ["Beginning", "Epochs", "Taken", "length_of"]

_NOTABLE_S = 1e-3
"""Of a wait for a batch: shorter ones are not worth a look at the queue."""


@dataclass
class Beginning:
    """How the script began, in seconds."""

    import_s: float = 0.0
    """Start of the interpreter to torch's loader imported."""
    build_s: float = 0.0
    """From there to the first loop over the loader."""
    first_batch_s: float = 0.0
    first_step_s: float = 0.0


@dataclass(frozen=True)
class Taken:
    """Count what was taken of a stream up to a moment."""

    batches: int = 0
    wait_s: float = 0.0
    """Spent in asking for batches that do not begin an epoch."""
    begins: int = 0
    """Batches that began an epoch after the first."""
    begin_s: float = 0.0
    """Spent in asking for those, the loader's beginning included."""

    def since(self, before: Taken) -> Taken:
        """Give what was taken after `before`."""
        return Taken(
            self.batches - before.batches,
            self.wait_s - before.wait_s,
            self.begins - before.begins,
            self.begin_s - before.begin_s,
        )


@dataclass
class Epochs:
    """Batches of a loader, epoch after epoch."""

    begin: Callable[[], Iterator[Any]]
    """Begins an epoch of the loader."""
    epoch: Iterator[Any]
    """The one that goes on."""
    length: int | None
    """Batches of an epoch, as the loader says or as was seen; None: neither yet."""
    given: int = 0
    """Batches that the epoch which goes on has given."""
    held_back_s: float = 0.0
    """Of the time in which batches were asked for: while all workers but one had finished theirs, and had to wait."""
    _broken_off: bool = False
    """The script leaves an epoch before its end: `length` is where."""
    _batches: int = 0
    _wait_s: float = 0.0
    _begins_s: list[float] = field(default_factory=list)
    _samples: int = 0
    """In the epoch that goes on, as far as it was taken here."""
    _whole: tuple[int, int] = (0, 0)
    """Batches and samples of the epochs that were taken here from their beginning to their end."""

    def take(self) -> Any:
        """Give the next batch.

        Raises:
            UnavailableError: an epoch has no batch at all.
        """
        start = now_s()
        try:
            batch = next(self.epoch)
        except StopIteration:
            if not self._broken_off:
                self.length = self.given or self.length
            if self._begins_s:
                self._whole = (self._whole[0] + self.given, self._whole[1] + self._samples)
            return self._next_epoch(start)
        waited_s = now_s() - start
        self._wait_s += waited_s
        if waited_s > _NOTABLE_S and _others_are_done(self.epoch, self.given):
            self.held_back_s += waited_s
        self._batches += 1
        self.given += 1
        self._samples += max(1, samples_of(batch))
        return batch

    def _next_epoch(self, start: float) -> Any:
        self.given, self.epoch = 1, self.begin()
        try:
            batch = next(self.epoch)
        except StopIteration:
            raise UnavailableError("the loader gives no batch when it is iterated again") from None
        self._begins_s.append(now_s() - start)
        self._batches += 1
        self._samples = max(1, samples_of(batch))
        return batch

    def break_off(self, batches: int) -> None:
        """Take note that the script began another epoch after so many batches of this one."""
        # One that looks ahead asks for a batch more than there are.
        self.length, self._broken_off = min(batches, self.length or batches), True

    def begin_again(self) -> None:
        """Break the epoch off and begin another one, so that its beginning is timed once where none came by itself."""
        start = now_s()
        del self.epoch
        self._next_epoch(start)

    @property
    def mean_samples(self) -> float | None:
        """Give the mean samples of a batch over whole epochs; None: there was none, or the script leaves them early."""
        batches, samples = self._whole
        return samples / batches if batches and not self._broken_off else None

    @property
    def least_length(self) -> int:
        """Count the batches of an epoch; of one whose end nobody knows yet, those that it has given."""
        return max(1, self.length or self.given)

    @property
    def taken(self) -> Taken:
        """Count what was taken so far."""
        return Taken(self._batches, self._wait_s, len(self._begins_s), sum(self._begins_s))


def _others_are_done(epoch: Iterator[Any], given: int) -> bool:
    """Whether an iterator of torch has finished batches of all workers but one, and gives them in their order.

    It keeps them by number until their turn comes; iterators that keep nothing of the kind hold nothing back. `given`:
    batches of the epoch before: until each worker gave one, it may be waited for as it starts.
    """
    tasks, workers = getattr(epoch, "_task_info", None), getattr(epoch, "_num_workers", 0)
    if not isinstance(tasks, dict) or workers < 2 or given < workers or not getattr(epoch, "_in_order", True):
        return False
    finished = sum(len(task) > 1 for task in tasks.values())
    return finished >= (workers - 1) * int(getattr(epoch, "_prefetch_factor", None) or 2)


def length_of(loader: Any) -> int | None:
    """Count the batches of an epoch, if the loader can say; None: it cannot."""
    try:
        return len(loader) or None
    except (TypeError, NotImplementedError):
        return None

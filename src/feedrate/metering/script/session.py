"""Find the loop that trains in this process, serve it while it is timed, and answer for it."""

from __future__ import annotations

import atexit
import json
import os
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

from feedrate.errors import ContractError, UnavailableError, one_line
from feedrate.metering.ranks import Alone, Ranks, own_rank, rank_count, ranks
from feedrate.metering.script.answering import Measurer
from feedrate.metering.script.batches import samples_of
from feedrate.metering.script.data_check import demand_right_data
from feedrate.metering.script.epochs import Beginning, Epochs, length_of
from feedrate.metering.script.loops import LoopPlace, loop_places
from feedrate.metering.script.order_check import EpochOrders, demand_sampler_that_moves_on, shuffles
from feedrate.metering.script.variants import rebuilt_loader
from feedrate.records.answer import Failed, ReplicateAnswer
from feedrate.records.codec import decoded, encoded
from feedrate.records.request import (
    AWAITED,
    CLAIM,
    SCRIPT_REQUEST,
    LoopSighting,
    ScriptRequest,
    ScriptSightings,
)
from feedrate.system.stopwatch import now_s, since_start_s

__all__ = ["MeasurementDone", "ScriptSession", "session"]

_OWN = "dataloader"
"""What a request calls the script's own loader."""
_WARM_UPDATES = 3
"""Steps of the optimizer between batches of a loader, from which its loop is the one that trains."""


class MeasurementDone(SystemExit):
    """Ends the script when enough is known: nothing that handles errors takes it for one, and the status is 0."""


@dataclass
class _Seen:
    """What one loader did so far, over all loops in which the script iterated it."""

    loader: Any
    """Kept, so that no other object gets its `id`."""
    batches: int = 0
    updates: int = 0
    beginning: Beginning = field(default_factory=Beginning)
    tapped: bool = False
    """The script says itself that this is the loop to be timed."""
    place: LoopPlace | None = None
    """Where the loop stands that began to iterate it first; None: in no file of the script's."""
    is_asked_for: bool = True
    """No other loop is to be timed."""
    is_told: bool = False
    """Word was left of it."""
    visit_batches: int = 0
    """Batches that the script asked for since it began to iterate the loader last."""
    visit_s: float = 0.0
    """When that was."""
    serving: Iterator[Any] | None = None
    """Gives the loop its batches since it is timed, over as many loops as the script makes of it."""
    epochs: Epochs | None = None
    """Of what it is timed with."""


@dataclass
class ScriptSession:
    """The measurement of the script that runs in this process."""

    request: ScriptRequest
    import_s: float = 0.0
    """Seconds from the start of the interpreter until torch's loader was there."""
    visits: int = 0
    """How often the script began to iterate a loader, but for the one that is measured."""
    _loaders: dict[tuple[int, LoopPlace | None], _Seen] = field(default_factory=dict)
    _orders: dict[LoopPlace, EpochOrders] = field(default_factory=dict)
    """By the loop: a script may make loader and data set anew for each epoch."""
    _updates: int = 0
    _update_thread: int = 0
    _last: _Seen | None = None
    """The loader that gave the script its last batch: steps of an optimizer are its."""
    _measured: _Seen | None = None
    _done: bool = False
    _begins: bool = False
    """A loader that is iterated now is no loop of the script's."""

    def begin(self) -> None:
        """Count steps of all optimizers from here on, and leave word at the end of what was seen."""
        from torch.optim.optimizer import register_optimizer_step_post_hook

        register_optimizer_step_post_hook(self._count_update)
        atexit.register(self._leave_word)

    def _count_update(self, *_: object) -> None:
        self._updates += 1
        if self._last is not None:
            self._last.updates += 1
        self._update_thread = threading.get_ident()

    def iterator(self, loader: Any, begin: Callable[[], Iterator[Any]]) -> Iterator[Any]:
        """Give what the script iterates instead of the loader's own iterator, which `begin` makes."""
        if self._begins:
            return begin()
        seen = self._seen(loader)
        self._visit(seen)
        return _Batches(self._watched(seen, begin))

    def _seen(self, loader: Any, *, tapped: bool = False) -> _Seen:
        """Give what is known of a loader; of the loader in this loop, where one loop is asked for."""
        places = loop_places()
        place, asked = next(iter(places), None), self.request.loop
        key = (id(loader), place if asked else None)
        is_asked_for = not asked or asked in map(str, places)
        return self._loaders.setdefault(key, _Seen(loader, tapped=tapped, place=place, is_asked_for=is_asked_for))

    def _visit(self, seen: _Seen) -> None:
        """Take note that the script begins to iterate a loader."""
        if seen is not self._measured:
            self.visits += 1
        elif seen.epochs is not None and seen.visit_batches:
            seen.epochs.break_off(seen.visit_batches)
        seen.visit_batches, seen.visit_s = 0, now_s()

    def tapped(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Give what the script iterates instead of `batches`, which it says is the loop to be timed."""
        seen = self._seen(batches, tapped=True)
        self._visit(seen)

        def begin() -> Iterator[Any]:
            with self._own():
                return iter(batches)

        return _Batches(self._watched(seen, begin))

    def _watched(self, seen: _Seen, begin: Callable[[], Iterator[Any]]) -> Iterator[Any]:
        """Pass batches through until the loop is known to train; from then on it is timed."""
        if seen.serving is None:
            start, beginning = now_s(), seen.beginning
            beginning.import_s = beginning.import_s or self.import_s
            beginning.build_s = beginning.build_s or max(0.0, since_start_s() - beginning.import_s)
            epoch, orders = begin(), self._orders_of(seen)
            if orders is not None:
                orders.begin()
            while not self._is_to_be_timed(seen, orders):
                batch = next(epoch, _END)
                if batch is _END:
                    return
                asked, self._last = now_s(), seen
                beginning.first_batch_s = beginning.first_batch_s or asked - start
                if orders is not None:
                    orders.note(batch, samples_of(batch))
                    asked = now_s()
                seen.batches += 1
                seen.visit_batches += 1
                yield batch
                beginning.first_step_s = beginning.first_step_s or now_s() - asked
            seen.epochs = Epochs(begin, epoch, length_of(seen.loader), given=seen.visit_batches)
            # Whoever holds an epoch keeps its workers.
            del epoch
            seen.serving = self._measurement(seen)
        # Not `yield from`: a loop that the script leaves early closes this generator, and not the measurement.
        for batch in seen.serving:
            seen.visit_batches += 1
            yield batch
        raise MeasurementDone

    def _is_to_be_timed(self, seen: _Seen, orders: EpochOrders | None) -> bool:
        """Whether a loop is known to train, is the one that is asked for, and no other is timed."""
        known = seen.batches if seen.tapped else seen.updates
        if self._measured is not None or known < _WARM_UPDATES or self._done:
            return False
        if not seen.is_asked_for:
            self._leave_word_of(seen)
            return False
        return not self._awaits_epoch(seen, orders) and self._claimed()

    def _leave_word_of(self, seen: _Seen) -> None:
        """Leave word once that a loop trains which is not asked for: whoever ends the script can name it."""
        if not seen.is_told:
            seen.is_told = True
            self._leave_sightings()

    def _orders_of(self, seen: _Seen) -> EpochOrders | None:
        """Give what is kept of the epochs of a loop whose samples come in another order each time; None: they do not.

        A loop that stands in no other may not come again, and ranks would not agree whether its next epoch is near.
        """
        repeated = seen.place if seen.place is not None and seen.place.is_repeated and rank_count() == 1 else None
        if repeated is None or not self.request.awaits_epoch or self._measured is not None:
            return None
        return self._orders.setdefault(repeated, EpochOrders()) if shuffles(seen.loader) else None

    def _awaits_epoch(self, seen: _Seen, orders: EpochOrders | None) -> bool:
        """Whether the script goes on to its second epoch before it is timed."""
        if orders is None:
            return False
        length = length_of(seen.loader)
        pace_s = (now_s() - seen.visit_s) / max(1, seen.visit_batches)
        awaits = orders.awaits_another(None if length is None else (length - seen.visit_batches) * pace_s)
        awaited = self.request.scratch / AWAITED
        if awaits:
            awaited.touch()
        else:
            awaited.unlink(missing_ok=True)
        return awaits

    def _claimed(self) -> bool:
        """Whether this process is the one that answers, the first that trains, or a rank that trains with it."""
        if own_rank():
            return True
        try:
            os.close(os.open(self.request.scratch / CLAIM, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            self._done = True
            return False
        return True

    def _measurement(self, seen: _Seen) -> Iterator[Any]:
        """Serve the loop that is timed, write the answer when it is known, and end."""
        self._measured = seen
        together: Ranks = Alone()
        try:
            together = ranks()
            if not seen.tapped and self._update_thread != threading.get_ident():
                raise UnavailableError("a thread of the script's own iterates the loader, so no step lies between")
            with self._own():
                checked = demand_right_data(seen.loader, self.request.loader) if self._checks else 0
                # After what workers draw alike, which looks like an order that comes again.
                self._demand_new_orders(seen)
                loader, epochs = self._placed(seen)
            measurer = Measurer(self.request, lambda: self.visits, checked, together)
            yield from measurer.serve(loader, epochs, max(1, round(seen.batches / max(1, seen.updates))))
            if together.answers:
                self._write(measurer.answer(seen.beginning))
            if measurer.takes_loading_apart:
                with self._own():
                    measurer.take_loading_apart()
                # Once more: a data set that never comes back when this process asks it would leave no answer.
                self._write(measurer.answer(seen.beginning))
            together.leave()
        except UnavailableError as error:
            self._fail(Failed("unavailable", one_line(error)), together)
        except ContractError as error:
            self._fail(Failed("invalid", one_line(error)), together)
        self._done = True

    def _demand_new_orders(self, seen: _Seen) -> None:
        """Look whether a sampler that shuffles does; raises `ContractError` where it does not."""
        if not self.request.profile or not shuffles(seen.loader):
            return
        # A script with one epoch need not say which it is.
        if seen.place is not None and seen.place.is_repeated:
            self._orders.get(seen.place, EpochOrders()).demand_another_order(seen.loader)
            demand_sampler_that_moves_on(seen.loader)

    def _fail(self, answer: Failed, together: Ranks) -> None:
        together.fail(answer.reason)
        if own_rank() == 0:
            self._write(answer)

    @property
    def _checks(self) -> bool:
        """Whether data are compared: once for the script's own loader, and for each that takes its place."""
        return self.request.profile or self.request.loader != _OWN

    def _placed(self, seen: _Seen) -> tuple[Any, Epochs]:
        """Give what is timed: the loader, and its epochs."""
        if self.request.loader == _OWN and seen.epochs is not None:
            return seen.loader, seen.epochs
        # The own workers go first, or they and the others would share the processors.
        seen.epochs = None
        loader, start = rebuilt_loader(seen.loader, self.request.loader), now_s()

        def begin() -> Iterator[Any]:
            with self._own():
                return iter(loader)

        first = begin()
        batch = next(first)
        seen.beginning.first_batch_s = now_s() - start
        seen.epochs = Epochs(begin, chain([batch], first), length_of(loader))
        return loader, seen.epochs

    @contextmanager
    def _own(self) -> Iterator[None]:
        """Have loaders that are iterated in the block give their own iterators."""
        before, self._begins = self._begins, True
        try:
            yield
        finally:
            self._begins = before

    def _write(self, answer: ReplicateAnswer) -> None:
        partial = self.request.scratch / "answer.part"
        try:
            partial.write_text(json.dumps(encoded(answer), allow_nan=False))
        except (TypeError, ValueError):
            traceback.print_exc()
            return
        partial.rename(self.request.scratch / "answer.json")

    def _leave_word(self) -> None:
        """Say what was seen, for the case that nothing was measured."""
        if not self._done:
            self._leave_sightings()

    def _leave_sightings(self) -> None:
        sightings = ScriptSightings(
            loaders=len(self._loaders),
            batches=sum(seen.batches for seen in self._loaders.values()),
            updates=self._updates,
            loops=tuple(
                LoopSighting(seen.place.name, seen.batches, seen.updates)
                for seen in self._loaders.values()
                if seen.place is not None
            ),
        )
        path = self.request.scratch / f"sightings-{os.getpid()}.json"
        # Whoever asked may be gone by now, and the folder with it.
        with suppress(FileNotFoundError):
            path.write_text(json.dumps(encoded(sightings)))


_END = object()


class _Batches:
    """An iterator in front of a generator: what ends the script ends it each time that the script asks again."""

    def __init__(self, batches: Iterator[Any]) -> None:
        self._batches, self._done = batches, False

    def __iter__(self) -> _Batches:
        return self

    def __next__(self) -> Any:
        if self._done:
            raise MeasurementDone
        try:
            return next(self._batches)
        except MeasurementDone:
            self._done = True
            raise


def session(import_s: float) -> ScriptSession:
    """Give this process's session; it is begun when somebody asks first, so long after the interpreter's start."""
    the_session = _session()
    the_session.import_s = the_session.import_s or import_s
    return the_session


@cache
def _session() -> ScriptSession:
    request = decoded(ScriptRequest, json.loads(Path(os.environ[SCRIPT_REQUEST]).read_text()))
    the_session = ScriptSession(request)
    the_session.begin()
    return the_session

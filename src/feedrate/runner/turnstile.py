"""Let two processes measure by turns: while one works, the other stands still with all that it started."""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias, TypeVar

from feedrate.system.procfs import alive, is_stopped, process_tree
from feedrate.system.scratch import Scratch

__all__ = ["Running", "Turnstile", "by_turns"]

T_co = TypeVar("T_co", covariant=True)

_POLL_S = 0.1
_STOPPING_S, _LOOK_S = 1.0, 5e-4
"""Longest wait for a process to stand still, and between two looks: on a busy machine each of its threads has to be
scheduled for that."""
_State: TypeAlias = Literal["expected", "waiting", "going", "gone"]


class Running(Protocol[T_co]):
    """A replicate that a process of its own measures, which takes its turns where it was told to."""

    @property
    def is_running(self) -> bool:
        """Whether it still does; one that is past its deadline is ended here."""

    def outcome(self) -> T_co:
        """Give what came of it, once it has ended."""

    def end(self) -> None:
        """End it, if it runs; on return nothing of it does."""


@dataclass
class _Place:
    """One of those that take turns."""

    listener: socket.socket
    state: _State = "expected"
    line: socket.socket | None = None
    pid: int = 0

    def freeze(self) -> None:
        """Stop it and all that it started: what a loader makes ahead would be made in the other's time.

        A signal is sent before it is heeded, and a process may start another meanwhile: on return all of them stand
        still, but for what does not within a moment (it may wait for a disk).
        """
        until_s = time.monotonic() + _STOPPING_S
        while (going := self._going()) and time.monotonic() < until_s:
            _send(going, signal.SIGSTOP)
            time.sleep(_LOOK_S)

    def thaw(self) -> None:
        """Have all of it go on."""
        _send(list(process_tree(self.pid)) if self.pid else [], signal.SIGCONT)

    def _going(self) -> list[int]:
        tree = process_tree(self.pid) if self.pid else ()
        return [pid for pid in tree if alive([pid]) and not is_stopped(pid)]

    def close(self) -> None:
        """Let it go on for good."""
        self.thaw()
        for end in (self.line, self.listener):
            if end is not None:
                end.close()
        self.line, self.pid, self.state = None, 0, "gone"


def _send(pids: Sequence[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


class Turnstile:
    """Where processes wait for their turn; the next one goes when all others wait or are gone."""

    def __init__(self, folder: Path, count: int) -> None:
        """Listen for so many processes in a folder."""
        self.paths = tuple(folder / f"turn{number}" for number in range(count))
        self._places = tuple(_Place(_listening(path)) for path in self.paths)
        self._last = -1

    @classmethod
    @contextmanager
    def opened(cls, count: int) -> Iterator[Turnstile]:
        """Open one; on leaving, whoever still waits goes on."""
        with Scratch.made() as scratch:
            turnstile = cls(scratch.folder, count)
            try:
                yield turnstile
            finally:
                turnstile.close()

    def serve(self, patience_s: float = _POLL_S) -> None:
        """Hear who waits and who is gone, for so long at most, and let the next one go."""
        ends = {place.line or place.listener: place for place in self._places if place.state != "gone"}
        for end in select.select(list(ends), (), (), patience_s)[0]:
            place = ends[end]
            if place.line is None:
                _admit(place)
            else:
                _hear(place)
        self._let_go()

    def gone(self, number: int) -> None:
        """Know that a process has ended, whether it ever came or not."""
        if self._places[number].state != "gone":
            self._places[number].close()

    def close(self) -> None:
        """Let all go on for good."""
        for place in self._places:
            place.close()

    def _let_go(self) -> None:
        states = [place.state for place in self._places]
        if "waiting" not in states or "going" in states or "expected" in states:
            return
        count = len(states)
        self._last = next(
            number for step in range(1, count + 1) if states[number := (self._last + step) % count] == "waiting"
        )
        place = self._places[self._last]
        place.thaw()
        place.state = "going"
        with suppress(OSError):
            if place.line is not None:
                place.line.sendall(b"g")


def _listening(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(1)
    return listener


def _admit(place: _Place) -> None:
    """Take the call of a process; it says itself when it waits."""
    place.line, _ = place.listener.accept()
    place.pid = struct.unpack("3i", place.line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]


def _hear(place: _Place) -> None:
    """Hear that a process waits, or has left."""
    try:
        said = place.line.recv(16) if place.line is not None else b""
    except ConnectionError:
        said = b""
    if not said:
        place.close()
        return
    place.state = "waiting"
    place.freeze()


def by_turns(begins: Sequence[Callable[[Path], Running[T_co]]]) -> list[T_co]:
    """Begin several replicates, have them take turns, and give their outcomes; an exception ends all of them.

    Each of `begins` is given the socket where its replicate is to take turns.
    """
    running: list[Running[T_co]] = []
    with Turnstile.opened(len(begins)) as turnstile:
        try:
            for begin, path in zip(begins, turnstile.paths, strict=True):
                running.append(begin(path))
            while any(_note_ends(running, turnstile)):
                turnstile.serve()
        except BaseException:
            turnstile.close()
            for replicate in running:
                replicate.end()
            raise
    return [replicate.outcome() for replicate in running]


def _note_ends(running: Sequence[Running[object]], turnstile: Turnstile) -> list[bool]:
    """Say of each whether it runs, and tell the turnstile of those that do not."""
    runs = [replicate.is_running for replicate in running]
    for number, still in enumerate(runs):
        if not still:
            turnstile.gone(number)
    return runs

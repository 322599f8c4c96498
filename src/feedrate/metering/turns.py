"""Measure by turns with another process: one works while the other stands still."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Self

from feedrate.system.sampling_flags import SamplingFlags

__all__ = ["Turns"]


class Turns:
    """This process's place in the order of those that measure by turns; alone, it is always its turn."""

    def __init__(self, line: socket.socket | None, marks: SamplingFlags) -> None:
        """Take turns over `line`; None: nobody else measures. `marks`: whoever watches must not work beside others."""
        self._line, self._marks = line, marks

    @classmethod
    def joined(cls, path: Path | None, marks: SamplingFlags) -> Self:
        """Take a place where a turnstile listens; None: there is none.

        Raises:
            OSError: nobody listens there.
        """
        if path is None:
            return cls(None, marks)
        line = socket.socket(socket.AF_UNIX)
        line.connect(str(path))
        return cls(line, marks)

    @property
    def are_taken(self) -> bool:
        """Whether another process may measure while this one stands still."""
        return self._line is not None

    def wait(self) -> bool:
        """Let the other go on, and return when it is this one's turn; False: nobody else measures, so it went on."""
        if self._line is None:
            return False
        busy = self._marks.is_busy
        self._marks.set_busy(True)
        try:
            self._line.sendall(b"w")
            if not self._line.recv(1):
                self.leave()
        except ConnectionError:
            self.leave()
        finally:
            self._marks.set_busy(busy)
        return True

    def leave(self) -> None:
        """Give up the place: the other need not wait any more."""
        if self._line is not None:
            self._line.close()
            self._line = None

"""Count what is copied to a device, by the kind of memory that it comes from."""

from __future__ import annotations

from threading import Lock

__all__ = ["CopiedBytes"]


class CopiedBytes:
    """Bytes that went to a device, by the kind of memory that they came from; threads may add at a time."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._pinned = self._pageable = 0

    def add(self, nbytes: int, *, pinned: bool) -> None:
        """Count a copy."""
        with self._lock:
            self._pinned += nbytes * pinned
            self._pageable += nbytes * (not pinned)

    @property
    def so_far(self) -> tuple[int, int]:
        """From page-locked memory, and from other."""
        with self._lock:
            return self._pinned, self._pageable

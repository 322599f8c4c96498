"""Give back the disk space of a range inside a file that others go on writing to."""

from __future__ import annotations

import ctypes
import os

__all__ = ["punch_hole"]

_PUNCH_HOLE_KEEP_SIZE = 0x02 | 0x01
"""FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE of linux/falloc.h."""


def punch_hole(descriptor: int, offset: int, length: int) -> None:
    """Free `length` bytes from `offset` on, which read as zeros from now on; nothing else of the file changes.

    Raises:
        OSError: it is no Linux, or the file system has no holes.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "fallocate"):
        raise OSError("this system frees no range of a file")
    libc.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    if libc.fallocate(descriptor, _PUNCH_HOLE_KEEP_SIZE, offset, length) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))

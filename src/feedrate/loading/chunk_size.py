"""How large a chunk of rows may be that lies on the device beside the step."""

from __future__ import annotations

__all__ = ["ROOM_SHARE", "chunk_bytes"]

ROOM_SHARE = 0.75
"""Of the room beside the step; the rest is for the batches cut from the chunk, and for what an allocator cannot use."""


def chunk_bytes(epoch_bytes: int, room_bytes: int, buffers: int, share: float = ROOM_SHARE) -> int:
    """Give the bytes of each of so many chunks that share the room: an epoch whole where it fits, else what does."""
    return min(epoch_bytes, int(room_bytes * share) // buffers)

"""Make the update of a plain step in less memory."""

from __future__ import annotations

from collections.abc import Iterator

from feedrate.builtin.steps.accumulated import Accumulated
from feedrate.builtin.steps.checkpointed import Checkpointed
from feedrate.plugin.step import Step

__all__ = ["lighter"]


def lighter(precision: str) -> Iterator[Step]:
    """Yield steps of that precision, `fp32` or `bf16`: in four parts, in sixteen, without keeping activations."""
    yield Accumulated(parts=4, precision=precision)
    yield Accumulated(parts=16, precision=precision)
    yield Checkpointed(precision=precision)

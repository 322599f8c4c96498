"""Count what a person's own code does, by name, so that it is seen how often a batch has it done."""

from __future__ import annotations

from collections import Counter

__all__ = ["count_event", "counted"]

_COUNTS: Counter[str] = Counter()


def count_event(name: str, times: int = 1) -> None:
    """Count something that a model, loss, step or loader does: a graph that is built, a file that is opened.

    How often it happened for each batch of the stream that was trained on is in the record, as far as it happened in
    the process that trains. Inside `torch.compile` it breaks the graph.
    """
    _COUNTS[name] += times


def counted() -> Counter[str]:
    """Give a copy of all counts of this process."""
    return _COUNTS.copy()

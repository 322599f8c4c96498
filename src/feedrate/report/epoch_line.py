"""Say of what an epoch consists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from feedrate.formatting import number
from feedrate.report.summary_row import SummaryRow

__all__ = ["epoch_line", "event_lines", "shuffle_lines"]


def epoch_line(rows: Sequence[SummaryRow]) -> str:
    """Say how many batches an epoch has, of how many samples, and how many come from a block and a file.

    Empty where no measurement of these rows, which are of one workload, knows it.
    """
    known = (m for row in rows for m in row.measured if m.epoch_batches is not None)
    first = next(known, None)
    if first is None or first.epoch_batches is None:
        return ""
    text = f"{first.epoch_batches:,} batches an epoch"
    if first.smallest_batch_samples is not None and first.largest_batch_samples is not None:
        few, many = first.smallest_batch_samples, first.largest_batch_samples
        text += f", of {few:,} samples" if few == many else f", of {few:,} to {many:,} samples"
    for count, what in ((first.epoch_blocks, "block"), (first.epoch_files, "file")):
        if count:
            text += f"; {number(first.epoch_batches / count, 3)} for each of {count:,} {what}{'s' if count > 1 else ''}"
    return text


def event_lines(rows: Sequence[SummaryRow]) -> Iterator[str]:
    """Yield, for each row whose own code counts anything, how often a batch has it done."""
    for row in rows:
        names = sorted({name for m in row.measured for name in m.events})
        means = {name: sum(m.events.get(name, 0.0) for m in row.measured) / len(row.measured) for name in names}
        if means:
            counts = ", ".join(f"{name} {number(mean, 3)} times" for name, mean in means.items())
            yield f"{row.step} with {row.loader}: for each batch {counts}"


def shuffle_lines(rows: Sequence[SummaryRow]) -> Iterator[str]:
    """Yield how far rows come from their places in the files, a line for all loaders of which it is the same."""
    loaders: dict[str, list[str]] = {}
    for row in rows:
        for shuffle in (m.shuffle for m in row.measured[:1]):
            if shuffle is not None:
                text = (
                    f"a row comes {number(shuffle.moved_share, 2)} of an epoch from its place in the files, neighbours"
                    f" correlate {number(shuffle.neighbour_correlation, 2)}"
                )
                loaders.setdefault(text, []).append(row.loader)
    for text, names in loaders.items():
        yield f"{', '.join(dict.fromkeys(names))}: {text}"

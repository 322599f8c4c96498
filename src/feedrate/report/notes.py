"""Note what a reader must know before believing a row: why it has no number, or what bends the number it has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from feedrate.formatting import byte_size, number, share
from feedrate.records.measurement import Failure
from feedrate.records.validity import remarks_on
from feedrate.report.scaling import rank_lines
from feedrate.report.summary_row import SummaryRow

__all__ = ["Note", "notes", "shared_notes"]

_LEVELS = (0.5, 0.2, 0.05)
"""Shares above which prefetched batches, or a machine that changed its pace, are worth a word. A few levels rather than
each row's own figure: rows share a remark, and the figures are in the raw results."""
_TURNS = 1.3
"""Gain from overlapping the two that is worth a word: near balance a finite buffer alone costs 3 to 14 %."""
_UNPINNED = 0.1
"""Share of what is copied: indices and the like are little, and nobody pins them."""
_MOSTLY = 0.9
"""Share of replayed updates below which a row is about others as well."""
_FEWEST, _MOST = 3, 2 / 3
"""Rows, and their share of those that may have a note, from which it is about the run and not about them."""
_DRIFT = "drift"


@dataclass(frozen=True)
class Note:
    """Hold one thing worth knowing of a row."""

    text: str
    about: str = ""
    """What notes of several levels have in common; empty: the note has no levels."""
    level: float = 0.0
    """The share that is exceeded, of a note that has levels."""

    @property
    def subject(self) -> str:
        """Name what is the same in notes that differ by their level alone."""
        return self.about or self.text


def notes(row: SummaryRow) -> Iterator[Note]:
    """Yield each thing worth knowing, the worst first."""
    yield from map(Note, dict.fromkeys(_failure(row, failure) for failure in row.failed))
    if row.whole:
        twins = (f"doubtful: the same to the last bit as {cell}: one is the other's number" for cell in row.twins)
        yield from map(Note, (*twins, *_settings(row), *remarks_on(row.measured)))
        yield from _bent(row)


def shared_notes(rows: Sequence[SummaryRow]) -> dict[str, str]:
    """Find what most of the rows with a number share: subject of the notes -> one line for the run.

    Where notes differ by their level the line has the lowest one, and how many rows exceed each of the others.
    """
    noted = [note for row in rows if row.whole for note in {note.subject: note for note in notes(row)}.values()]
    counts = Counter(note.subject for note in noted)
    shared: dict[str, str] = {}
    for subject, count in counts.items():
        # Only a step that trains can have one.
        may = sum(row.whole and (row.trains or subject != _DRIFT) for row in rows)
        if count >= max(_FEWEST, _MOST * may):
            cells = f"{f'all {count}' if count == may else f'{count} of {may}'} cells"
            shared[subject] = f"{cells}{' that train' if subject == _DRIFT else ''}: {_joined(noted, subject)}"
    return shared


def _joined(noted: Iterable[Note], subject: str) -> str:
    """Give the text of the lowest level, with how many notes exceed each of the higher ones."""
    alike = sorted((note for note in noted if note.subject == subject), key=lambda note: note.level)
    levels = [note.level for note in alike]
    higher = [f"{level:.0%} in {sum(other >= level for other in levels)}" for level in sorted({*levels})[1:]]
    return alike[0].text + (f" (by more than {', '.join(higher)})" if higher else "")


def _failure(row: SummaryRow, failure: Failure) -> str:
    if failure.why == "unavailable":
        return f"n/a: {failure.reason}"
    total = len(row.failed) + len(row.measured)
    count = f", {len(row.failed)} of {total} replicates" if row.measured else ""
    log = f" (log: {failure.log})" if failure.log and failure.log not in failure.reason else ""
    return f"failed, {failure.why}{count}: {failure.reason}{log}"


def _settings(row: SummaryRow) -> Iterator[str]:
    if any(m.requested.get("safe") for m in row.measured):
        yield "fallback, safe mode: 0 worker processes, whatever the loader's knobs say"
    for copy in dict.fromkeys(m.own_copy for m in row.measured if m.own_copy is not None):
        yield (
            f"own copy: {byte_size(copy.bytes)} against {byte_size(copy.data_bytes)} of the data set, made in"
            f" {number(copy.made_s, 2)} s before"
        )
    yield from (f"fallback: in place of {cell}, which failed" for cell in _asked(row))


def _asked(row: SummaryRow) -> Iterable[str]:
    """The cells that it was measured in place of."""
    return sorted({m.in_place_of for m in row.measured if m.in_place_of is not None})


def _bent(row: SummaryRow) -> Iterator[Note]:
    yield from _flattered(row)
    yield from _drifted(row)
    yield from _unpinned(row)
    for measurement in row.measured:
        yield from map(Note, rank_lines(measurement.ranks or ()))
    broken = max(m.graph_breaks or 0 for m in row.measured)
    if broken:
        yield Note(f"torch.compile broke the graph in {broken} places")
    recompiled = max(m.recompiles for m in row.measured)
    if recompiled:
        yield Note(f"torch.compile built {recompiled} graphs again inside the run")
    skipped = max(m.skipped_updates for m in row.measured)
    if skipped:
        scale = next((m.loss_scale for m in row.measured if m.loss_scale is not None), None)
        scaled = "" if scale is None else f"; the loss was scaled by {scale:,.0f} at the end"
        yield Note(f"the optimizer skipped {number(skipped)} updates{scaled}")
    shares = [m.replayed_share for m in row.measured if m.replayed_share is not None]
    if shares and min(shares) < _MOSTLY:
        replayed = share(min(shares))
        yield Note(
            f"{replayed} of its updates were replayed; the others ran uncaptured: before the first, or of other sizes"
        )
    # Together much slower than either alone: neither is to blame by itself.
    loader, step = row.mean(lambda m: m.loader_ceiling), row.mean(lambda m: m.step_ceiling)
    if loader is not None and step is not None and min(loader, step) > _TURNS:
        yield Note("together slower than either alone: they take turns, or compete for cores or memory")


def _unpinned(row: SummaryRow) -> Iterator[Note]:
    """Say of what was to come from page-locked memory that it did not, but for what is small beside it."""
    for measurement in row.measured:
        pinned, pageable = measurement.pinned_copy_bytes or 0, measurement.pageable_copy_bytes or 0
        if measurement.requested.get("loader.pin") is True and pageable > _UNPINNED * (pinned + pageable):
            share = f"{byte_size(pageable)} of {byte_size(pinned + pageable)} a batch"
            yield Note(f"{share} were copied to the device from memory that is not page-locked")
            return


def _flattered(row: SummaryRow) -> Iterator[Note]:
    level = _level(m.prefetch_bias for m in row.measured)
    if level:
        text = (
            f"batches made before the windows may flatter it by more than {level:.0%}: a longer --seconds lowers that"
        )
        yield Note(text, "prefetch bias", level)


def _drifted(row: SummaryRow) -> Iterator[Note]:
    # A step that trains nothing takes microseconds: its pace says nothing of the machine.
    level = _level(abs(m.step_drift) for m in row.measured if m.loss_first is not None)
    if level:
        text = f"the step alone changed its pace by more than {level:.0%} during the run: the machine was not steady"
        yield Note(text, _DRIFT, level)


def _level(shares: Iterable[float]) -> float:
    """Find the highest level that the largest share exceeds; 0 if it exceeds none."""
    largest = max(shares, default=0.0)
    return next((level for level in _LEVELS if largest > level), 0.0)

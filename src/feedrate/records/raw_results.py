"""Append outcomes to files of raw results, and read them back, one file or a folder of them."""

from __future__ import annotations

import json
import reprlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeGuard

from feedrate.errors import DataError, UsageError
from feedrate.records.atomic_write import add_line
from feedrate.records.cell_key import CellKey, split_spec
from feedrate.records.columns import packed
from feedrate.records.defaults import without_defaults
from feedrate.records.jsonl import Decoder, Unreadable, complaints, raw_lines
from feedrate.records.ladder import Ladder
from feedrate.records.measurement import Failure, Measurement, Outcome

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["OUTCOMES", "Line", "append", "demand_cell", "read", "results"]


class Line(Protocol):
    """Stand for what a raw results file holds: outcomes, and what else was found out of a cell."""

    def as_json(self) -> dict[str, object]:
        """Give plain values, the record's `kind` among them."""


_CLASSES: Mapping[object, type[Measurement | Failure]] = {"measurement": Measurement, "failure": Failure}
OTHERS = ("diagnosis",)
"""Kinds of lines that are no outcomes, and that `read` passes over."""


def append(path: Path, outcome: Line) -> None:
    """Add one line to a raw results file, whole or not at all; what reading fills in by itself is left out.

    Raises:
        OSError: it cannot be written; the file ends with its last whole line.
    """
    values = packed(_short(outcome.as_json()))
    add_line(path, json.dumps(values, allow_nan=False, default=str, separators=(",", ":")))


def _short(record: Mapping[str, object]) -> dict[str, object]:
    """Leave out the defaults of an outcome; of another record its nulls, and the defaults of records that it lists."""
    if record["kind"] in _CLASSES:
        return _without_defaults([record])[0]
    return {key: _without_defaults_inside(key, value) for key, value in record.items() if value is not None}


def _without_defaults_inside(key: str, value: object) -> object:
    """Leave out the defaults of the outcomes, or of the ladders, of a diagnosis."""
    if _are_outcomes(value):
        return _without_defaults(value)
    return without_defaults(Ladder, value) if key == "ladders" and isinstance(value, list) else value


def _without_defaults(outcomes: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    """Leave out the defaults of outcomes of one kind."""
    return without_defaults(_CLASSES[outcomes[0]["kind"]], outcomes)


def _are_outcomes(value: object) -> TypeGuard[Sequence[Mapping[str, object]]]:
    """Tell whether a value is a list of outcomes, all of one kind."""
    if not isinstance(value, list) or not value or not all(isinstance(item, Mapping) for item in value):
        return False
    kinds = {item.get("kind") for item in value}
    return len(kinds) == 1 and kinds <= _CLASSES.keys()


def refuse(line: Unreadable) -> None:
    """Give up at a line that cannot be read.

    Raises:
        DataError: always; its text says which line, and what is wrong.
    """
    raise DataError(str(line))


def read(path: Path, unreadable: Callable[[Unreadable], object] = refuse) -> Iterator[Outcome]:
    """Yield the outcomes in a raw results file; the lines of `feedrate why` are passed over.

    `unreadable` is told of each line that is no record, such as one that a crash left half-written.

    Raises:
        DataError: the file cannot be read.
    """
    decoders: dict[str, Decoder[Outcome] | None] = {**OUTCOMES, **dict.fromkeys(OTHERS)}
    for outcome in raw_lines(path, decoders):
        if isinstance(outcome, Unreadable):
            unreadable(outcome)
        else:
            yield outcome


def _measurement(raw: Mapping[str, object]) -> Outcome:
    return _of_a_cell(Measurement.from_json(raw))


def _failure(raw: Mapping[str, object]) -> Outcome:
    return _of_a_cell(Failure.from_json(raw))


def _of_a_cell(outcome: Outcome) -> Outcome:
    demand_cell(outcome.cell)
    return outcome


def demand_cell(cell: str) -> None:
    """Check the key of a cell that was read.

    Raises:
        DataError: it does not read workload/size/loader/step/device.
    """
    try:
        for spec in CellKey.parse(cell).specs.values():
            split_spec(spec)
    except UsageError:
        raise DataError(f"cell is {reprlib.repr(cell)}, not workload/size/loader/step/device") from None


OUTCOMES: Mapping[str, Decoder[Outcome]] = {"measurement": _measurement, "failure": _failure}
"""Makes an outcome of a line's values, by its `kind`."""


def results(folder: Path | str = "results/raw") -> pd.DataFrame:
    """Read every replicate in the raw results below `folder`: one row each, one column a knob, units in the names.

    Columns: `cell`, `workload`, `size`, `loader`, `step`, `device`, then `<family>_<knob>` for each knob, the record's
    own scalars, the properties of `Measurement`, and for failures `why` and `reason`; what was not measured is missing.
    A line that cannot be read is left out, with one warning for each file that says which lines, and why.
    """
    from feedrate.records.frame import frame

    return frame(outcome for path in sorted(Path(folder).rglob("*.jsonl")) for outcome in _warned(path))


def _warned(path: Path) -> Iterator[Outcome]:
    left_out: list[Unreadable] = []
    yield from read(path, left_out.append)
    if left_out:
        warnings.warn("; ".join(complaints(left_out)), stacklevel=2)

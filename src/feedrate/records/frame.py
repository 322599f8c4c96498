"""Lay outcomes out as a table for analysis: one row a replicate, one column a quantity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING

from feedrate.errors import UnavailableError
from feedrate.records.cell_key import CellKey, split_spec
from feedrate.records.measurement import Failure, Measurement, Outcome

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["frame", "tabulated"]

_PLACE = ("cell", "workload", "size", "loader", "step", "device")
_RECORD = ("run", "replicate", "started", "log", "in_place_of", "order_seed", "machine", "commit")
_TEXTS = ("page_cache",)
_SEQUENCES = (
    *("step_windows", "loader_windows", "full_windows", "batch_gaps", "looks"),
    *("step_windows_before", "step_windows_after", "phases"),
    *("requested", "observed", "environment", "conditions", "health", "epoch_starts", "events", "shuffle", "own_copy"),
)
_NUMBERS = (
    *(field.name for field in fields(Measurement) if field.name not in (*_PLACE, *_RECORD, *_TEXTS, *_SEQUENCES)),
    *(name for of in reversed(Measurement.__mro__) for name, value in vars(of).items() if isinstance(value, property)),
)
"""Scalars of a measurement, then its properties, in the order in which they are defined."""
_FAILURE = ("why", "reason")
_NO_PANDAS = (
    'results: pandas is not installed; `pip install "feedrate[pandas]"` provides it, '
    "and `feedrate show FILE --json` gives the same numbers without it"
)


def frame(outcomes: Iterable[Outcome]) -> pd.DataFrame:
    """Give each outcome a row, in order; see `feedrate.results` for the columns. Absent numbers are NaN, texts None.

    Knobs come from the record where it holds them all, else from the cell's name, which holds those that were turned.

    Raises:
        UnavailableError: pandas is not installed.
    """
    records = [_place(outcome) | _record(outcome) | _result(outcome) for outcome in outcomes]
    fixed = {*_PLACE, *_RECORD, *_TEXTS, *_NUMBERS, *_FAILURE}
    knobs = sorted({name for record in records for name in record if name not in fixed})
    columns = [*_PLACE, *knobs, *_RECORD, *_TEXTS, *_NUMBERS, *_FAILURE]
    table = tabulated(([record.get(name) for name in columns] for record in records), columns)
    return table.astype(dict.fromkeys(_NUMBERS, float))


def tabulated(rows: Iterable[Iterable[object]], columns: Sequence[str]) -> pd.DataFrame:
    """Make a DataFrame of the rows.

    Raises:
        UnavailableError: pandas, which a base install lacks, is not installed; the text says how to install it.
    """
    try:
        import pandas as pd
    except ModuleNotFoundError:
        raise UnavailableError(_NO_PANDAS) from None
    return pd.DataFrame([tuple(row) for row in rows], columns=list(columns))


def _place(outcome: Outcome) -> dict[str, object]:
    key = CellKey.parse(outcome.cell)
    columns: dict[str, object] = {"cell": outcome.cell, "size": key.size, "device": key.device}
    for family, spec in key.specs.items():
        name, turned = split_spec(spec)
        recorded = _recorded(outcome, family)
        columns[family] = name
        columns |= {f"{family}_{knob}": recorded.get(knob, _value(text)) for knob, text in turned.items()}
        columns |= {f"{family}_{knob}": value for knob, value in recorded.items()}
    return columns


def _recorded(outcome: Outcome, family: str) -> Mapping[str, object]:
    if isinstance(outcome, Failure):
        return {}
    start = f"{family}."
    return {key.removeprefix(start): value for key, value in outcome.requested.items() if key.startswith(start)}


def _value(text: str) -> object:
    """Turn a knob's text into the value that the text most likely stands for."""
    if text in ("true", "false", "auto"):
        return {"true": True, "false": False, "auto": None}[text]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _record(outcome: Outcome) -> dict[str, object]:
    machine, git = outcome.environment.get("machine"), outcome.environment.get("git")
    return {
        "run": outcome.run,
        "replicate": outcome.replicate,
        "started": outcome.started,
        "log": outcome.log,
        "in_place_of": outcome.in_place_of,
        "order_seed": outcome.order_seed,
        "machine": machine.get("name") if isinstance(machine, Mapping) else None,
        "commit": git.get("commit") if isinstance(git, Mapping) else None,
    }


def _result(outcome: Outcome) -> dict[str, object]:
    if isinstance(outcome, Failure):
        return {"why": outcome.why, "reason": outcome.reason}
    return {name: getattr(outcome, name) for name in (*_TEXTS, *_NUMBERS)}

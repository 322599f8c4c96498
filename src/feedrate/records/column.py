"""Write one column of like objects as short as it can be read back without loss."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import TypeGuard

from feedrate.errors import DataError

__all__ = ["in_full", "shortened"]

_CYCLE, _STEPS = "cycle", "steps"
"""The only keys of objects that stand for columns: one turn of values that come again and again; the first of whole
numbers, and by how much each of the others is more than the one before it."""
_LONGEST_TURN = 6
_MUCH_SHORTER = 0.8
"""Of the list's characters: for less, numbers are left as a person can read them."""


def shortened(values: Sequence[bool | float | str | None]) -> object:
    """Give the bare value where all are the same, else one turn of a cycle, steps if much shorter, or a list."""
    # By their text: 1, 1.0 and true are equal, and not the same.
    texts = [repr(value) for value in values]
    if len(set(texts)) == 1:
        return values[0]
    turn = next((turn for turn in range(2, _LONGEST_TURN + 1) if _comes_again(texts, turn)), None)
    if turn is not None:
        return {_CYCLE: list(values[:turn])}
    steps = _steps(values)
    return steps if steps and len(json.dumps(steps)) < _MUCH_SHORTER * len(json.dumps(values)) else list(values)


def _comes_again(texts: list[str], turn: int) -> bool:
    turns, rest = divmod(len(texts), turn)
    return turns > 1 and not rest and texts[:turn] * turns == texts


def _steps(values: Sequence[object]) -> dict[str, list[int]]:
    """Give the steps from value to value; nothing where not all are whole numbers."""
    numbers = [value for value in values if _is_whole(value)]
    if len(numbers) < len(values):
        return {}
    return {_STEPS: [numbers[0], *(after - before for before, after in pairwise(numbers))]}


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def in_full(column: object, rows: int, where: str) -> list[object]:
    """Give a column that is not a list, as `shortened` wrote it, a value for each row.

    Raises:
        DataError: it is a cycle that does not end with the rows, or steps that are not so many whole numbers.
    """
    if not isinstance(column, dict) or len(column) != 1:
        return [column] * rows
    if _CYCLE in column:
        return _turns(column[_CYCLE], rows, where)
    return _sums(column[_STEPS], rows, where) if _STEPS in column else [column] * rows


def _turns(turn: object, rows: int, where: str) -> list[object]:
    if not isinstance(turn, list) or not turn or rows % len(turn):
        raise DataError(f"{where} is no cycle of {rows} rows")
    return turn * (rows // len(turn))


def _sums(steps: object, rows: int, where: str) -> list[object]:
    if not isinstance(steps, list) or len(steps) != rows or not all(map(_is_whole, steps)):
        raise DataError(f"{where} is not {rows} steps in whole numbers")
    return list(accumulate(steps))

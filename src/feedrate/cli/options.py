"""Options that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from feedrate.errors import UsageError
from feedrate.plugin.cell import DEVICES
from feedrate.plugin.strategy import near
from feedrate.plugin.workload import SIZES
from feedrate.system.machine import gpus

__all__ = [
    "add_data",
    "add_details",
    "add_json",
    "add_plugin",
    "add_size",
    "device_or_default",
    "duration",
    "positive",
    "size_or_default",
]

Add: TypeAlias = Callable[..., object]
"""`add_argument` of a parser, or of a group of one."""


def add_plugin(add: Add) -> None:
    """Add `--plugin FILE`."""
    add(
        *("--plugin", "-p"), action="append", default=[], type=Path, metavar="FILE",
        help="a Python file that offers strategies, besides the installed ones; may be repeated",
    )  # fmt: skip


def add_data(add: Add) -> None:
    """Add `--data DIR`."""
    add("--data", type=Path, metavar="DIR", help="where data sets lie: $FEEDRATE_DATA, else ./data")


def add_details(add: Add) -> None:
    """Add `--details`."""
    add(
        "--details", action="store_true", help="of a diagnosis also rungs, delays, what is in the step, and the machine"
    )


def add_json(add: Add) -> None:
    """Add `--json`."""
    add("--json", action="store_true", help="print one JSON value and nothing else")


def add_size(add: Add) -> None:
    """Add `--size`."""
    add("--size", metavar="SIZE", help=f"{', '.join(SIZES)}; small on a cpu and full on a GPU unless given")


def device_or_default(asked: str | None) -> str:
    """The device asked for, or the GPU if there is one.

    Raises:
        UsageError: there is no such device.
    """
    if asked is not None and asked not in DEVICES:
        raise UsageError(f"no device {asked!r}; {near(asked, DEVICES)}")
    return asked or ("cuda" if gpus() else "cpu")


def size_or_default(asked: str | None, device: str) -> str:
    """The size asked for, or one that suits the device.

    Raises:
        UsageError: there is no such size.
    """
    if asked is not None and asked not in SIZES:
        raise UsageError(f"no size {asked!r}; {near(asked, SIZES)}")
    return asked or ("full" if device == "cuda" else "small")


def positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    """What turns the text of an option into a number above 0."""

    def parsed(text: str) -> float:
        value = kind(text)
        if not 0 < value < 1e9:
            raise ValueError(text)
        return value

    parsed.__name__ = "positive number"
    return parsed


_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def duration(text: str) -> float:
    """Seconds, from the text of an option such as 90s or 10m."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not found or not float(found[1]):
        raise ValueError(text)
    return float(found[1]) * _UNITS[found[2] or "s"]


duration.__name__ = "duration, such as 90s or 10m"

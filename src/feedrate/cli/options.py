"""Declare the options that several commands share, once each."""

from __future__ import annotations

import re
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

from feedrate.api.fallbacks import OOM
from feedrate.comparison.comparison import METRICS
from feedrate.errors import UsageError
from feedrate.plugin.knobs import near
from feedrate.plugin.workload import SIZES
from feedrate.system.threadpools import ARROW, POOLS

if TYPE_CHECKING:
    from feedrate.api.settings import SessionOptions
    from feedrate.records.projection import TrainingLength

__all__ = [
    "Add",
    "add_data",
    "add_details",
    "add_device",
    "add_dry_run",
    "add_explain",
    "add_fallbacks",
    "add_flag",
    "add_json",
    "add_judging",
    "add_length",
    "add_logs",
    "add_once",
    "add_out_of_place",
    "add_plugin",
    "add_quiet",
    "add_results",
    "add_size",
    "duration",
    "measuring",
    "output",
    "pool",
    "positive",
    "session_options",
    "training_length",
]

Add: TypeAlias = Callable[..., object]
"""`add_argument` of a parser, or of a group of one."""


def measuring(parser: ArgumentParser) -> Add:
    """Add how a process measures, as a group of options; gives what adds others to it."""
    add = parser.add_argument_group("how").add_argument
    add(
        "--seconds", type=positive(float), metavar="S",
        help="aim of each time that is measured: 0.4, and 2 where cells are compared",
    )  # fmt: skip
    add("--deadline-s", type=positive(float), default=600.0, metavar="S", help="longest a process may take: 600")
    add("--threads", type=positive(int), metavar="N", help="cap of every thread pool of a measured process")
    add(
        "--pool", action="append", default=[], type=pool, metavar="NAME=N",
        help=f"cap of a single pool over --threads, such as POLARS=4: {', '.join((ARROW, *POOLS))}; may be repeated",
    )  # fmt: skip
    add_flag(add, "--safe", "no worker processes; FORCE_SINGLE_PROCESS=1 says the same")
    return add


def add_flag(add: Add, name: str, says: str) -> None:
    """Add an option that is on where it is given, and one that overrules feedrate.toml or a variable where that is."""
    dest = name.removeprefix("--").replace("-", "_")
    add(name, action="store_true", help=says)
    add(f"--no-{name[2:]}", dest=dest, action="store_false", default=False, help="not so, whatever feedrate.toml says")


def output(parser: ArgumentParser) -> Add:
    """Add where everything lies and what comes back, as a group of options; gives what adds others to it."""
    add = parser.add_argument_group("where and what comes back").add_argument
    add_data(add)
    add_results(add)
    add_logs(add)
    add_quiet(add)
    add_json(add)
    return add


def session_options(values: Mapping[str, object]) -> SessionOptions:
    """Pick the values of a command's options that are settings of a session."""
    from feedrate.api.settings import SessionOptions

    renamed = {**values, "plugins": values.get("plugin", ()), "pools": dict(cast("list[Pool]", values.get("pool", [])))}
    return cast("SessionOptions", {name: renamed[name] for name in SessionOptions.__annotations__ if name in renamed})


def add_plugin(add: Add) -> None:
    """Add `--plugin FILE`."""
    add(
        *("--plugin", "-p"), action="append", default=[], type=Path, metavar="FILE",
        help="a Python file that offers strategies, besides the installed ones; or a folder of such, or a pattern in"
        " quotes; may be repeated",
    )  # fmt: skip


def add_data(add: Add) -> None:
    """Add `--data DIR`."""
    add("--data", type=Path, metavar="DIR", help="where data sets lie: $FEEDRATE_DATA, else ./data")


def add_results(add: Add) -> None:
    """Add `--results DIR`."""
    add("--results", type=Path, default=Path("results/raw"), metavar="DIR", help="raw results: results/raw")


def add_logs(add: Add) -> None:
    """Add `--logs DIR`."""
    add("--logs", type=Path, default=Path("logs"), metavar="DIR", help="what measured processes say: logs")


def add_quiet(add: Add) -> None:
    """Add `--quiet`."""
    add("--quiet", "-q", action="store_true", help="no progress")


def add_details(add: Add) -> None:
    """Add `--details`."""
    add(
        "--details",
        action="store_true",
        help="of a table also T_S, gaps and how targets are answered; of a diagnosis rungs, delays, step and machine",
    )


def add_json(add: Add) -> None:
    """Add `--json`."""
    add("--json", action="store_true", help="print one JSON value and nothing else")


def add_judging(what: Add, how: Add, each: str = "") -> None:
    """Add what two sides are compared by, and how long: `--metric`; `--margin`, `--pairs` and `--budget`.

    `each`: of what each has so much.
    """
    what(
        *("--metric",), choices=sorted(METRICS), default="full",
        help="time a sample of both together, or of one alone: full",
    )  # fmt: skip
    how("--margin", type=positive(float), default=0.02, metavar="SHARE", help="differences below it are none: 0.02")
    how("--pairs", type=positive(int), default=32, metavar="N", help=f"at most so many of A and B{each}: 32")
    how("--budget", type=duration, default=600.0, metavar="TIME", help=f"90s, 10m or 1h{each} at most: 10m")


def add_length(add: Add) -> None:
    """Add `--epochs` and `--steps`, of which at most one is given; see `training_length`."""
    add(
        "--epochs", type=positive(int), metavar="N",
        help="also say what a training of N epochs would take, from what is measured; 1: an epoch and its start-up",
    )  # fmt: skip
    add("--steps", type=positive(int), metavar="N", help="the same of N steps, that is, batches")


def training_length(epochs: int | None, steps: int | None) -> TrainingLength | None:
    """Give the length of the training that is asked about; None: of none.

    Raises:
        UsageError: both are given.
    """
    from feedrate.records.projection import TrainingLength

    if epochs is None and steps is None:
        return None
    if epochs is not None and steps is not None:
        raise UsageError("--epochs and --steps both say how long a training is; name one of the two")
    return TrainingLength(epochs, steps)


def add_explain(add: Add) -> None:
    """Add `--explain`."""
    add("--explain", action="store_true", help="say what each column of the table is")


def add_dry_run(add: Add) -> None:
    """Add `--dry-run`."""
    add(
        "--dry-run", action="store_true",
        help="measure and make nothing: print the cells, and of each setting what was asked for, what comes of that"
        " and where it comes from",
    )  # fmt: skip


def add_once(add: Add) -> None:
    """Add `--once`."""
    add_flag(add, "--once", "leave what is doubtful: else it is measured once more, for 2 min at most")


def add_fallbacks(add: Add) -> None:
    """Add `--oom` and `--safe-retry`."""
    add(
        "--oom", choices=OOM, default=OOM[0],
        help="of a cell that runs out of memory: that is its result; or also smaller chunks, batches and steps: result",
    )  # fmt: skip
    add_flag(add, "--safe-retry", "a loader whose worker processes fail is also measured without them")


def add_out_of_place(add: Add) -> None:
    """Add `--out-of-place DIR`."""
    add(
        *("--out-of-place",), type=Path, metavar="DIR",
        help="beside `-- COMMAND`: it runs in a copy of this folder that is made in DIR, which is empty or not there",
    )  # fmt: skip


def add_size(add: Add) -> None:
    """Add `--size`."""
    add("--size", metavar="SIZE", help=f"{', '.join(SIZES)}; small on a cpu and full on a GPU unless given")


def add_device(
    add: Add, says: str = "cpu, cuda, or simulated, which is no hardware; the GPU if there is one unless given"
) -> None:
    """Add `--device`; `says` is what it means."""
    add("--device", metavar="DEVICE", help=says)


def positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    """Make what turns the text of an option into a number above 0."""

    def parsed(text: str) -> float:
        with suppress(ValueError):
            value = kind(text)
            if 0 < value < 1e9:
                return value
        raise ArgumentTypeError(f"invalid positive number value: {text!r}")

    return parsed


Pool: TypeAlias = tuple[str, int]
"""Name and cap of a thread pool."""


def pool(text: str) -> Pool:
    """Read the cap of a thread pool from the text of an option, such as POLARS=4."""
    name, _, count = text.partition("=")
    if name not in (ARROW, *POOLS):
        raise ArgumentTypeError(f"no pool {name!r}; {near(name, (ARROW, *POOLS))}")
    if not (count.isascii() and count.isdecimal() and 0 < len(count) < 10 and int(count)):
        raise ArgumentTypeError(f"{text!r} is not of the form NAME=N, such as POLARS=4")
    return name, int(count)


_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def duration(text: str) -> float:
    """Read seconds from the text of an option such as 90s or 10m."""
    written = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not written or not float(written[1]):
        raise ArgumentTypeError(f"invalid duration, such as 90s or 10m value: {text!r}")
    return float(written[1]) * _UNITS[written[2] or "s"]

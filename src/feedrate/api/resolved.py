"""Say what would be measured, with which settings, and where the value of each comes from; measure nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from feedrate.api.datasets import state
from feedrate.api.measuring import unmet_reasons
from feedrate.api.result import Result
from feedrate.plugin.knobs import text
from feedrate.records.cell_key import split_spec
from feedrate.records.request import SECONDS
from feedrate.system.environment import relevant
from feedrate.system.threadpools import caps

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from feedrate.api.resources import Resources
    from feedrate.plugin.cell import Cell
    from feedrate.plugin.knobs import Value
    from feedrate.plugin.strategy import Strategy

__all__ = ["Origins", "ResolvedCell", "ResolvedRun", "ResolvedSetting", "resolved"]

_DEFAULT, _SWEEP, _CALL, _ENVIRONMENT = "default", "sweep", "call", "environment"


@dataclass(frozen=True)
class Origins:
    """Where the values of settings come from that are not at their defaults."""

    settings: Mapping[str, str] = field(default_factory=dict)
    """In words such as `command line`, by the names of options without dashes before them."""
    specs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Texts that name workloads, loaders and steps with their knobs, by family."""

    def of(self, name: str) -> str:
        """Say where the value of a setting comes from."""
        return self.settings.get(name, _DEFAULT)

    def of_knob(self, family: str, strategy: Strategy, name: str) -> str:
        """Say where the value of a knob comes from."""
        for spec in self.specs.get(family, ()):
            named, knobs = split_spec(spec)
            if (
                named == strategy.name
                and name in knobs
                and strategy.with_knobs({name: knobs[name]}).knobs == strategy.knobs
            ):
                return self.settings.get(family, _CALL)
        if strategy.knobs[name] == strategy.defaults()[name]:
            return _DEFAULT
        if family == "loader" and "safe" in self.settings:
            return self.settings["safe"]
        return _SWEEP if "sweep" in self.settings else self.settings.get(family, _CALL)


@dataclass(frozen=True)
class ResolvedSetting:
    """One setting: what was asked for, and what comes of that here."""

    name: str
    requested: object
    """None: nothing was asked for. A knob's value as it is written, such as `auto`."""
    resolved: object
    origin: str
    """`default`, `sweep`, `call`, `environment`, `command line`, or the name of a variable or a file."""


@dataclass(frozen=True)
class ResolvedCell:
    """One cell that would be measured."""

    cell: str
    unavailable: str
    """What this machine lacks for it, and how to get that; empty: nothing, so it would be measured."""
    data_set: str
    """Folder of its files."""
    missing: str
    """Why the data set would be made before; empty: it is there."""
    settings: tuple[ResolvedSetting, ...]
    """Knobs of its workload, loader and step, as `loader.count`."""


@dataclass(frozen=True, repr=False)
class ResolvedRun(Result):
    """What would be measured."""

    settings: tuple[ResolvedSetting, ...]
    """Those that all cells share."""
    cells: tuple[ResolvedCell, ...]

    def show(self, console: Console, *, explain: bool = False) -> None:
        """Print the tables of settings, and the cells."""
        from feedrate.report.resolved_table import show

        show(console, self.settings, self.cells, explain=explain)

    def to_frame(self) -> pd.DataFrame:
        """Give one row a setting of a cell: `cell`, `setting`, `requested`, `resolved`, `origin`."""
        from feedrate.records.frame import tabulated

        rows = [(cell.cell, setting) for cell in self.cells for setting in (*self.settings, *cell.settings)]
        columns = ("cell", "setting", "requested", "resolved", "origin")
        return tabulated(((cell, *asdict(setting).values()) for cell, setting in rows), columns)

    def as_json(self) -> dict[str, object]:
        """Give what `feedrate run --dry-run --json` prints."""
        return {
            "settings": [asdict(setting) for setting in self.settings],
            "cells": [asdict(cell) for cell in self.cells],
        }


def resolved(resources: Resources, cells: Sequence[Cell], replicates: int | str, origins: Origins) -> ResolvedRun:
    """Settle everything that is settled before a process starts; `replicates`: how many, or in words."""
    shared = (*_shared(resources, cells, replicates, origins), *_variables(resources))
    return ResolvedRun(shared, tuple(_cell(resources, cell, origins) for cell in cells))


def _shared(
    resources: Resources, cells: Sequence[Cell], replicates: int | str, origins: Origins
) -> Iterator[ResolvedSetting]:
    """Yield what all cells share, by the names of options."""
    settings = resources.settings
    sizes, devices = (_listed(getattr(cell, name) for cell in cells) for name in ("size", "device"))
    ranks, threads = _counts(cell.ranks for cell in cells), _counts(_threads(resources, cell.ranks) for cell in cells)
    values: Mapping[str, tuple[object, object]] = {
        "size": (sizes, sizes),
        "device": (devices, devices),
        "replicates": (replicates, replicates),
        "seconds": (settings.seconds, settings.seconds or SECONDS),
        "ranks": (ranks, ranks),
        "threads": (settings.threads, threads),
        "pool": (_pools(settings.pools), _pools(settings.pools)),
        "safe": (settings.safe, settings.safe),
        "safe-retry": (settings.safe_retry, settings.safe_retry),
        "oom": (settings.oom, settings.oom),
        "order": (settings.order, settings.order),
        "deadline-s": (settings.deadline_s, settings.deadline_s),
        "data": (str(settings.data), str(settings.data.resolve())),
        "results": (str(settings.results), resources.raw and str(resources.raw.resolve())),
        "logs": (str(settings.logs), str((settings.logs / resources.caller.run).resolve())),
        "plugin": (_listed(map(str, settings.plugins)), _listed(str(file.resolve()) for file in settings.plugins)),
    }
    for name, (requested, value) in values.items():
        origin = origins.of(name.replace("-", "_"))
        yield ResolvedSetting(name, None if origin == _DEFAULT else requested, value, origin)


def _listed(values: Iterable[str]) -> str | None:
    """Give the different ones in one text; None where there are none."""
    return ", ".join(dict.fromkeys(values)) or None


def _counts(values: Iterable[int]) -> int | str | None:
    """Give the one that all have, or the different ones in one text."""
    different = list(dict.fromkeys(values))
    return different[0] if len(different) == 1 else _listed(map(str, different))


def _pools(pools: Mapping[str, int]) -> str | None:
    return _listed(f"{pool}={count}" for pool, count in pools.items())


def _threads(resources: Resources, ranks: int = 1) -> int:
    """Count the threads of each pool of a process; ranks share the cores out."""
    return resources.settings.threads or max(1, len(os.sched_getaffinity(0)) // ranks)


def _variables(resources: Resources) -> Iterator[ResolvedSetting]:
    """Yield the variables that change a measurement, and as what a measured process has them."""
    capped = caps(_threads(resources), resources.settings.pools)
    for name, value in relevant(resources.caller.environ).items():
        yield ResolvedSetting(name, value, capped.get(name, value), _ENVIRONMENT)


def _cell(resources: Resources, cell: Cell, origins: Origins) -> ResolvedCell:
    lacking, folder = unmet_reasons(cell), resources.settings.data.resolve() / cell.recipe.folder_name
    missing = "" if lacking else state(cell.recipe, resources.settings.data)
    knobs = (
        *_knobs("workload", cell.workload, origins, _sized(cell)),
        *_knobs("loader", cell.loader, origins, _started(resources, cell)),
        *_knobs("step", cell.step, origins, {}),
    )
    return ResolvedCell(str(cell), lacking, str(folder), missing, knobs)


def _knobs(
    family: str, strategy: Strategy, origins: Origins, settled: Mapping[str, Value]
) -> Iterator[ResolvedSetting]:
    """Yield knobs; `settled`: those that become something else here."""
    for name, value in strategy.knobs.items():
        origin = origins.of_knob(family, strategy, name)
        asked = None if origin == _DEFAULT else text(value)
        yield ResolvedSetting(f"{family}.{name}", asked, text(settled.get(name, value)), origin)


def _sized(cell: Cell) -> dict[str, Value]:
    """Settle how large a batch is where that follows from the size of the data set."""
    workload = cell.workload
    unsettled = workload.knobs.get("batch_size", 0) is None
    return {"batch_size": workload.batch_samples(cell.size)} if unsettled else {}


def _started(resources: Resources, cell: Cell) -> dict[str, Value]:
    """Settle a loader's knobs, without processes of its own where that is asked for."""
    loader = cell.loader.without_workers() if resources.settings.safe else cell.loader
    settled, traits = dict(loader.knobs), loader.traits()
    if traits.works_in == "processes" and settled.get(traits.count_knob, 0) is None and traits.count is not None:
        # No more than there are blocks to deal.
        settled[traits.count_knob] = min(traits.count, len(cell.workload.blocks(cell.size)))
    return settled

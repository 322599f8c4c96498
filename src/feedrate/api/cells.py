"""Make cells of texts and of objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from feedrate.api.settings import CellParts
from feedrate.errors import UsageError
from feedrate.plugin.cell import DEVICES, Cell
from feedrate.plugin.registry import Registry
from feedrate.plugin.strategy import Strategy, near
from feedrate.plugin.workload import OWN_SIZE, SIZES
from feedrate.records.cell_key import SIMULATED
from feedrate.system.machine import gpus

__all__ = ["FORM", "cell_of", "device_or_default", "full_key", "offered", "offered_cell", "size_or_default"]

S = TypeVar("S", bound=Strategy)
FORM = "workload/loader/step, such as boardmoves/threads/fp32, or workload/size/loader/step, or that and /device"
_FAMILIES = ("workload", "loader", "step")
_PLACES = {3: (0, 1, 2), 4: (0, 2, 3), 5: (0, 2, 3)}
"""Where workload, loader and step stand in a text of so many parts."""


def device_or_default(asked: str | None) -> str:
    """Give the device asked for, or the GPU if there is one.

    Raises:
        UsageError: there is no such device.
    """
    if asked is not None and asked not in DEVICES:
        raise UsageError(_several_ranks(asked) or f"no device {asked!r}; {near(asked, DEVICES)}")
    return asked or ("cuda" if gpus() else "cpu")


def _several_ranks(asked: str) -> str:
    """Say what measures several ranks, where a device is that of several; else nothing."""
    count, _, device = asked.partition("x")
    if not (count.isdecimal() and device in DEVICES):
        return ""
    way = f"`feedrate run --ranks {count} --device {device}`"
    return f"{asked} is several ranks, which {way} alone measures; here name {device}"


def size_or_default(asked: str | None, device: str) -> str:
    """Give the size asked for, or one that suits the device.

    Raises:
        UsageError: there is no such size.
    """
    if asked is not None and asked not in SIZES:
        raise UsageError(f"no size {asked!r}; {near(asked, SIZES)}")
    return asked or {"cuda": "full", SIMULATED: "tiny"}.get(device, "small")


def full_key(text: str, size: str | None, device: str | None) -> tuple[str, str, str, str, str]:
    """Give workload, size, loader, step and device of a cell's text; `size` and `device` stand in for what it lacks.

    Raises:
        UsageError: it is not of that form, or there is no such size or device.
    """
    parts = text.split("/")
    if len(parts) not in _PLACES or not all(parts):
        raise UsageError(f"{text!r} is not a cell; a cell reads {FORM}")
    workload, loader, step = (parts[place] for place in _PLACES[len(parts)])
    where = device_or_default(parts[4] if len(parts) == 5 else device)
    named = parts[1] if len(parts) > 3 else size
    return workload, OWN_SIZE if named == OWN_SIZE else size_or_default(named, where), loader, step, where


def cell_of(cell: Cell | str | None, parts: CellParts, registry: Registry) -> Cell:
    """Give the cell that a text, a `Cell` or its parts mean; size and device complete a text that lacks them.

    Raises:
        UsageError: it is of no such form, names what does not exist, or is said twice.
    """
    size, device = parts.get("size"), parts.get("device")
    named = [family for family in _FAMILIES if family in parts]
    if cell is not None and named:
        raise UsageError(f"{str(cell)!r} says its {' and '.join(named)} itself; leave one of the two away")
    if isinstance(cell, str):
        return _agreeing(Cell.parse("/".join(full_key(cell, size, device)), registry), size, device)
    if cell is not None:
        return _agreeing(offered_cell(cell, registry), size, device)
    if len(named) < len(_FAMILIES):
        lacking = " and a ".join(family for family in _FAMILIES if family not in named)
        raise UsageError(f"a cell needs a {lacking}; or give its text: {FORM}")
    where = device_or_default(device)
    workload = offered("workload", parts["workload"], registry.workload)
    return Cell(
        workload,
        workload.own_size(size_or_default(size, where)),
        offered("loader", parts["loader"], registry.loader),
        offered("step", parts["step"], registry.step),
        where,
    )


def offered_cell(cell: Cell, registry: Registry) -> Cell:
    """Give the same cell, if a fresh process that is told its text finds it.

    Raises:
        UsageError: see `offered`.
    """
    offered("workload", cell.workload, registry.workload)
    offered("loader", cell.loader, registry.loader)
    offered("step", cell.step, registry.step)
    return Cell.parse(str(cell), registry)


def offered(family: str, asked: object, named: Callable[[str], S]) -> S:
    """Give the strategy that is asked for by its text, or as an object that a fresh process finds by its text.

    Raises:
        UsageError: there is none of that name, or the object's class is offered by no plugin.
    """
    if isinstance(asked, str):
        return named(asked)
    if not isinstance(asked, Strategy):
        raise UsageError(f"{asked!r} is no {family}; give an object of one, or its name")
    try:
        known = named(str(asked))
    except UsageError:
        known = None
    if known is None or known != asked:
        lacking = f"no plugin offers {type(asked).__qualname__} as the {family} {str(asked)!r}"
        raise UsageError(
            f"{lacking}, so a fresh process cannot find it; name the file that does: plugins=['my_{family}.py']"
        )
    return known


def _agreeing(cell: Cell, size: str | None, device: str | None) -> Cell:
    for setting, asked, named in (("size", size, cell.size), ("device", device, cell.device)):
        if asked not in (None, named):
            raise UsageError(f"{setting} {asked} contradicts {str(cell)!r}; leave one of the two away")
    return cell

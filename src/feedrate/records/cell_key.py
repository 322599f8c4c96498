"""Take apart the text that names a cell, such as `boardmoves/small/workers[count=2]/bf16/cuda`."""

from __future__ import annotations

import re
from typing import NamedTuple

from feedrate.errors import UsageError

__all__ = ["SIMULATED", "CellKey", "ranks_of", "split_device", "split_spec"]

SIMULATED = "simulated"
"""A device that is no hardware: shows whether a loader and a step are right on one; its times say nothing."""

_DEVICE = re.compile(r"(?:(?P<ranks>[2-9]|[1-9][0-9]{1,2})x)?(?P<name>\w+)")
_SPEC = re.compile(r"(?P<name>[\w.-]+)(?:\[(?P<knobs>[^\[\]]*)\])?")


class CellKey(NamedTuple):
    """Hold the five parts of a cell's text; workload, loader and step with the knobs that are not at their default."""

    workload: str
    size: str
    loader: str
    step: str
    device: str

    def __str__(self) -> str:
        return "/".join(self)

    @classmethod
    def parse(cls, text: str) -> CellKey:
        """Read what `str` gives. Whether there is such a cell only a registry knows.

        Raises:
            UsageError: it has not five parts.
        """
        parts = text.split("/")
        if len(parts) != 5 or not all(parts):
            raise UsageError(f"{text!r} is not a cell; a cell reads workload/size/loader/step/device")
        return cls(*parts)

    @property
    def specs(self) -> dict[str, str]:
        """Give workload, loader and step by family: the parts that have knobs, which `split_spec` takes apart."""
        return {"workload": self.workload, "loader": self.loader, "step": self.step}


def ranks_of(cell: str) -> int:
    """Count the ranks of a cell by its text; 1 for a text that is no cell, which is told where cells are read."""
    match = _DEVICE.fullmatch(cell.rpartition("/")[2])
    return int((match and match["ranks"]) or 1)


def split_device(text: str) -> tuple[str, int]:
    """Split the last part of a cell's text, such as `cpu` or `2xcuda`, into the device and how many ranks train on it.

    Raises:
        UsageError: it is not of that form.
    """
    match = _DEVICE.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r} is no device; one reads cpu, or 2xcpu for two ranks that train together")
    return match["name"], int(match["ranks"] or 1)


def split_spec(text: str) -> tuple[str, dict[str, str]]:
    """Split `workers[count=2,cast=host]` into a name and the texts of its knobs.

    Raises:
        UsageError: it is not of that form.
    """
    # What is no line of text would make its error none either.
    match = _SPEC.fullmatch(text.strip()) if text.strip().isprintable() else None
    pairs = [pair.partition("=") for pair in (match["knobs"] or "").split(",") if pair] if match else []
    if match is None or any(not equals or not value for _, equals, value in pairs):
        raise UsageError(f"{text!r} is not of the form name or name[knob=value,...]")
    return match["name"], {key.strip(): value.strip() for key, _, value in pairs}

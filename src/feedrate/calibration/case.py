"""Hold one cell whose answer is known, and what that answer is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from feedrate.diagnosis.finding import Family, Kind, family_of
from feedrate.plugin.strategy import Need

__all__ = ["HEALTHY", "Case"]

HEALTHY = "no symptom"
"""What is expected of a twin: a cell that is as a sick one, but for the cure."""


@dataclass(frozen=True)
class Case:
    """One cell, and what feedrate must say of it: a verdict, or that a check fails, or a remark."""

    name: str
    loader: str
    step: str
    workload: str = "known"
    device: str = "cpu"
    verdict: str = ""
    """Kind of the verdict; see `feedrate.diagnosis.verdict.Kind`."""
    refused: str = ""
    """Part of the reason why there is no number."""
    remark: str = ""
    """Part of what is said beside the number."""
    cause: str = ""
    """A cause that a verdict must name; see `feedrate.diagnosis.causes.CauseKind`."""
    healthy: str = ""
    """A verdict, or a cause, that must not be there: the cell is the healthy twin of one that has it."""
    seconds: float = 0.2
    """Aim of each of the three times: the delays are known, so little time tells them apart."""
    symptom: str = ""
    """Kind and place of what ails it, as `feedrate.diagnosis.symptom.Symptom.title` has it, or `HEALTHY`."""
    needs: tuple[Need, ...] = ()
    """What the machine must have, beside what the cell needs, for the answer to be this one."""

    @property
    def cell(self) -> str:
        """Key of the cell that is measured, as `str(Cell)` writes it."""
        return f"{self.workload}/tiny/{self.loader}/{self.step}/{self.device}"

    @property
    def unmet_needs(self) -> tuple[Need, ...]:
        """Those of its own needs that this machine does not meet."""
        return tuple(need for need in self.needs if not need.met())

    @property
    def expected(self) -> str:
        """The expected answer in words."""
        words = {"no number": self.refused, "remark": self.remark, "because": self.cause, "not": self.healthy}
        told = self.symptom or self.verdict
        return told or next(f"{word}: {text}" for word, text in words.items() if text)

    @property
    def asks_for_stages(self) -> bool:
        """Whether a verdict on the loader, which names the stage, is expected: another one tells the sides apart."""
        return bool(self.verdict) and self._family == "loader"

    @property
    def asks_for_facts(self) -> bool:
        """Whether a verdict on the step, which names what it is busy with, is expected, or must not be given."""
        return self._family == "step"

    @property
    def _family(self) -> Family:
        return family_of(cast(Kind, self.verdict or self.healthy))

    @property
    def is_diagnosed(self) -> bool:
        """Whether the cell must be taken apart to know."""
        return bool(self.verdict or self.cause or self.healthy)

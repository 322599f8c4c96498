"""Define a case: one cell, and what feedrate must say of it."""

from __future__ import annotations

from dataclasses import dataclass

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
    symptom: str = ""
    """Kind and place of what ails it, as `feedrate.diagnosis.symptom.Symptom.title` has it, or `HEALTHY`."""

    @property
    def cell(self) -> str:
        """Key of the cell that is measured, as `str(Cell)` writes it."""
        return f"{self.workload}/tiny/{self.loader}/{self.step}/{self.device}"

    @property
    def expected(self) -> str:
        """The expected answer in words."""
        if self.symptom or self.verdict:
            return self.symptom or self.verdict
        return f"no number: {self.refused}" if self.refused else f"remark: {self.remark}"

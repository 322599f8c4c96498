"""Ask a single question in a session of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Unpack

from feedrate.api.session import Session
from feedrate.api.settings import CellParts, SessionOptions

if TYPE_CHECKING:
    from feedrate.api.calibration_result import CalibrationResult
    from feedrate.api.comparison_result import ComparisonResult
    from feedrate.api.diagnosis_result import DiagnosisResult
    from feedrate.api.results import Results
    from feedrate.plugin.cell import Cell

__all__ = ["calibrate", "compare", "diagnose", "measure"]


class CellAndSessionOptions(CellParts, SessionOptions):
    """A cell in parts, and keywords of `Session`."""


def measure(
    cell: Cell | str | None = None, *, replicates: int = 3, **options: Unpack[CellAndSessionOptions]
) -> Results:
    """Measure one cell; see `Session.measure` and, for the other keywords, `Session`."""
    parts, session_options = _apart(options)
    with Session(**session_options) as session:
        return session.measure(cell, replicates=replicates, **parts)


def diagnose(
    cell: Cell | str | None = None,
    *,
    replicates: int | None = None,
    cold: bool = False,
    **options: Unpack[CellAndSessionOptions],
) -> DiagnosisResult:
    """Say what holds one cell back; see `Session.diagnose` and, for the other keywords, `Session`."""
    parts, session_options = _apart(options)
    with Session(**session_options) as session:
        return session.diagnose(cell, replicates=replicates, cold=cold, **parts)


def compare(
    a: Cell | str,
    b: Cell | str,
    *,
    metric: str = "full",
    margin: float = 0.02,
    pairs: int = 32,
    budget_s: float = 600.0,
    size: str | None = None,
    device: str | None = None,
    **options: Unpack[SessionOptions],
) -> ComparisonResult:
    """Say whether A is faster than B; see `Session.compare` and, for the other keywords, `Session`."""
    with Session(**options) as session:
        return session.compare(
            a, b, metric=metric, margin=margin, pairs=pairs, budget_s=budget_s, size=size, device=device
        )


def calibrate(
    *, only: Iterable[str] = (), device: str | None = None, **options: Unpack[SessionOptions]
) -> CalibrationResult:
    """Hold known answers against what is found here; see `Session.calibrate` and, for other keywords, `Session`."""
    with Session(**options) as session:
        return session.calibrate(only=only, device=device)


def _apart(options: CellAndSessionOptions) -> tuple[CellParts, SessionOptions]:
    parts = CellParts()
    rest = SessionOptions()
    for name, value in options.items():
        (parts if name in CellParts.__annotations__ else rest)[name] = value  # type: ignore[literal-required]  # a key of one of the two
    return parts, rest

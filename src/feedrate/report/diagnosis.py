"""Print why a cell is as fast as it is: the verdict, a waterfall from T_S to T_F, and what to try."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from feedrate.diagnosis.evidence import STAGES
from feedrate.diagnosis.symptom_wording import advice_against, describe_symptom
from feedrate.records.validity import remarks_on
from feedrate.report.caption import caption
from feedrate.report.contention import show_besides
from feedrate.report.diagnosis_details import LADDER_TERMS, LEAVING, MARGIN, TERMS, has_ladder, print_details
from feedrate.report.glossary import explained
from feedrate.report.grid import print_entry
from feedrate.report.waterfall import print_waterfall

if TYPE_CHECKING:
    from feedrate.diagnosis.diagnosis import Diagnosis
    from feedrate.diagnosis.finding import Kind
    from feedrate.diagnosis.symptom import SymptomKind

__all__ = ["show", "show_trials"]

_UNEVEN = 0.25
"""Share of an epoch's mean batch by which the batches of a rung may differ before a remark says so."""


def show(console: Console, diagnoses: Sequence[Diagnosis], *, explain: bool = False, details: bool = False) -> None:
    """Print each cell's picture, then what loaders and steps cost each other if there are several.

    `details`: also the rungs, both sides beside each other, delays, the step's inside, and the machine.
    """
    for diagnosis in diagnoses:
        _show(console, diagnosis, explain=explain, details=details)
        if len(diagnoses) > 1:
            console.print()
    if len(diagnoses) > 1:
        show_besides(console, diagnoses, explain=explain)


def _show(console: Console, diagnosis: Diagnosis, *, explain: bool, details: bool) -> None:
    """Print the verdict first, then the picture that it comes from, then what to try."""
    verdict = diagnosis.verdict
    print_entry(console, "", 0, Text(verdict.statement, style="bold"))
    console.print()
    console.print(Text(f"{diagnosis.cell}, ms a batch, mean of {_processes(diagnosis)}"), soft_wrap=True)
    print_waterfall(console, diagnosis.evidence)
    console.print()
    print_entry(console, "next", MARGIN, Text(verdict.advice))
    for symptom in diagnosis.symptoms:
        line = f"{describe_symptom(symptom)}: {advice_against(symptom)}"
        print_entry(console, "and", MARGIN, Text(line, style="bold"))
    if details:
        console.print()
        print_details(console, diagnosis)
    for line in (*remarks_on(diagnosis.measured), *_uneven(diagnosis)):
        print_entry(console, "", 0, Text(f"! {line}", style="yellow"))
    footer = caption(diagnosis.measured) if details else ("details     --details: rungs, delays, step and machine",)
    kinds = (verdict.kind, *(symptom.kind for symptom in diagnosis.symptoms))
    for line in (*(_explained(diagnosis, kinds, details=details) if explain else ()), *footer):
        console.print(Text(line, style="dim"), soft_wrap=True)


def show_trials(console: Console, statements: Iterable[str]) -> None:
    """Print what became of what was advised and tried."""
    for statement in statements:
        print_entry(console, "tried", MARGIN, Text(statement, style="bold"))


def _processes(diagnosis: Diagnosis) -> str:
    """Count the processes that the numbers are of, and those that are left out."""
    count, out = len(diagnosis.standing), len(diagnosis.measured) - len(diagnosis.standing)
    return f"{count} process{'' if count == 1 else 'es'}{f', {out} doubtful left out' if out else ''}"


def _explained(diagnosis: Diagnosis, kinds: Sequence[Kind | SymptomKind], *, details: bool) -> Iterator[str]:
    """Yield the meaning of each term that is printed."""
    ladder = has_ladder(diagnosis)
    loading = tuple(part.stage for part in diagnosis.evidence.loading_parts)
    stages = (*(STAGES if ladder else loading), *(["unexplained"] if ladder or loading else ()))
    copies = ("copies",) if any(each.copy_rates for each in diagnosis.ladders) else ()
    terms = (*TERMS, *(LADDER_TERMS if ladder else ()), *copies) if details else ()
    for term, meaning in explained((*kinds, "waterfall", "T_S", *stages, "T_F", "T_L", "+-", *terms)):
        yield f"{term:>12}  {meaning}"
    if ladder:
        yield LEAVING


def _uneven(diagnosis: Diagnosis) -> Iterator[str]:
    """Yield a remark where the windows of a rung met batches of other sizes than an epoch has on average."""
    mean = diagnosis.measured[0].batch_samples
    if mean is None:
        return
    rungs = [rung for ladder in diagnosis.ladders for rung in ladder.rungs.values() if rung.full]
    sizes = [sum(w.samples for w in rung.full) / sum(w.batches for w in rung.full) for rung in rungs]
    if sizes and max(abs(size - mean) for size in sizes) > _UNEVEN * mean:
        met = f"windows met {min(sizes):.0f} to {max(sizes):.0f} samples a batch where an epoch has {mean:.0f}"
        yield f"batches differ in size, and {met}: brought to that size, and exacter with longer windows (--seconds)"

"""Print what a comparison found: the sentence first, then the numbers behind it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console
from rich.text import Text

from feedrate.comparison.comparison import METRICS, Comparison
from feedrate.comparison.paired_test import FIRST_LOOK, ComparisonVerdict
from feedrate.formatting import ABSENT, bare_ms, number
from feedrate.records.cell_key import CellKey
from feedrate.records.measurement import Measurement
from feedrate.report.caption import caption
from feedrate.report.grid import Column, Row, print_grid
from feedrate.report.notes import notes
from feedrate.report.summary_row import SummaryRow as Cell

__all__ = ["document", "interval", "sentence", "show"]

_STYLES = {"FASTER": "bold green", "SLOWER": "bold red", "SAME": "bold", "UNSURE": "yellow", "INVALID": "red"}
_SIDES = (
    *(Column(""), Column("cell"), Column("processes", right=True, leaves=1), Column("samples/s", right=True)),
    *(Column(f"T_{side} ms", right=True, leaves=place) for side, place in (("F", 4), ("L", 3), ("S", 2))),
)
_FAMILY = (
    *(Column("verdict"), Column("A"), Column("B"), Column("A's speed", right=True)),
    *(
        Column("pairs", right=True, leaves=2),
        Column("p", right=True, leaves=3),
        Column("could see", right=True, leaves=1),
    ),
)
_ABOUT = {"full": "loader and step together", "loader": "the loader alone", "step": "the step alone"}


def sentence(comparison: Comparison, judgement: ComparisonVerdict) -> str:
    """Say the verdict and the numbers behind it, in one line."""
    a, b = _names(comparison)
    if judgement.word == "INVALID":
        return f"INVALID: {a} against {b} gives no verdict: {judgement.reason}"
    claim = {
        "FASTER": f"{a} is FASTER than {b}",
        "SLOWER": f"{a} is SLOWER than {b}",
        "SAME": f"{a} is the SAME as {b} within {_percent(comparison.rule.margin)}",
        "UNSURE": f"UNSURE whether {a} is faster or slower than {b}",
    }[judgement.word]
    parts = [f"{claim}: {interval(judgement)} from {len(judgement.pairs.ratios)} pairs"]
    parts += [judgement.reason] if judgement.reason else []
    parts += [f"smallest effect it could see {_effect(judgement)}"] if len(judgement.pairs.ratios) >= FIRST_LOOK else []
    return "; ".join(parts)


def interval(judgement: ComparisonVerdict) -> str:
    """Format how many times A's speed is B's, such as `x1.31 (1.28-1.35)`."""
    if len(judgement.pairs.ratios) < FIRST_LOOK:
        return "no interval yet"
    digits = 2 if judgement.high - judgement.low > 0.02 else 3
    return f"x{judgement.factor:.{digits}f} ({judgement.low:.{digits}f}-{judgement.high:.{digits}f})"


def show(console: Console, comparisons: Sequence[Comparison], judgements: Sequence[ComparisonVerdict]) -> None:
    """Print the sentence of each; of one comparison also what was measured, of several a table."""
    for comparison, judgement in zip(comparisons, judgements, strict=True):
        console.print(Text(sentence(comparison, judgement), style=_STYLES[judgement.word]), soft_wrap=True)
    console.print()
    _show_sides(console, comparisons)
    if len(comparisons) > 1:
        _show_family(console, comparisons, judgements)
    for line in dict.fromkeys(line for comparison in comparisons for line in _remarks(comparison)):
        console.print(Text(line), soft_wrap=True)
    outcomes = [run.outcome for comparison in comparisons for run in comparison.runs]
    for line in caption(outcomes) if outcomes else ():
        console.print(Text(line, style="dim"), soft_wrap=True)


def _show_family(console: Console, comparisons: Sequence[Comparison], judgements: Sequence[ComparisonVerdict]) -> None:
    rows = []
    for comparison, judgement in zip(comparisons, judgements, strict=True):
        texts = (
            *(
                judgement.word,
                str(comparison.a),
                str(comparison.b),
                interval(judgement),
                str(len(judgement.pairs.ratios)),
            ),
            *(number(judgement.p, 2) if judgement.word != "INVALID" else ABSENT, _effect(judgement)),
        )
        rows.append(Row(texts, _STYLES[judgement.word]))
    print_grid(console, _FAMILY, rows)
    console.print("p is adjusted for all of them: of those that are FASTER or SLOWER one in twenty may be false")


def _show_sides(console: Console, comparisons: Sequence[Comparison]) -> None:
    metric = comparisons[0].rule.metric
    console.print(f"time a sample of {_ABOUT[metric]}; means of processes, each fresh, in the order CABBA")
    rows = [
        Row((label, str(side), *_figures(comparison.measured(role))))
        for comparison in comparisons
        for label, role, side in (
            ("A", "a", comparison.a),
            ("B", "b", comparison.b),
            ("control", "control", comparison.control),
        )
    ]
    print_grid(console, _SIDES, rows)


def _figures(measured: Sequence[Measurement]) -> Iterator[str]:
    yield str(len(measured))
    yield number(_mean(run.samples_per_s for run in measured), 4)
    yield bare_ms(_mean(run.full_batch_mean_s for run in measured))
    yield bare_ms(_mean(run.loader_batch_s for run in measured))
    yield bare_ms(_mean(run.step_batch_s for run in measured))


def _mean(values: Iterable[float]) -> float | None:
    numbers = list(values)
    return statistics.fmean(numbers) if numbers else None


def _remarks(comparison: Comparison) -> Iterator[str]:
    """Yield what a reader must know before believing a verdict or a side's numbers."""
    count, reason = comparison.doubtful_pairs
    if count:
        yield f"{'1 pair is' if count == 1 else f'{count} pairs are'} left out as doubtful: {reason}"
    for label, role, side in (("A", "a", comparison.a), ("B", "b", comparison.b)):
        measured = tuple(comparison.measured(role))
        yield from (f"{label}: {note.text}" for note in notes(Cell(side.cell, measured, ())) if measured)


def _names(comparison: Comparison) -> tuple[str, str]:
    """Name what tells the two apart, in as few words as will do."""
    side_a, side_b = comparison.a, comparison.b
    a, b = CellKey.parse(side_a.cell), CellKey.parse(side_b.cell)
    if a == b and side_a.code and side_b.code:
        return f"@{side_a.code}", f"@{side_b.code}"
    if a == b or side_a.code != side_b.code:
        return str(side_a), str(side_b)
    apart = [(of_a, of_b) for of_a, of_b in zip(a, b, strict=True) if of_a != of_b]
    return "/".join(of_a for of_a, _ in apart), "/".join(of_b for _, of_b in apart)


def _effect(judgement: ComparisonVerdict) -> str:
    smallest = judgement.pairs.smallest_effect
    return ABSENT if smallest is None else _percent(math.expm1(smallest))


def _percent(share: float) -> str:
    return f"{number(100 * share, 2)} %"


def document(comparison: Comparison, judgement: ComparisonVerdict) -> dict[str, object]:
    """Give a comparison as JSON can hold it: the verdict, its numbers, and its pairs; None where not measured."""
    pairs, speedup = judgement.pairs, judgement.pairs.speedup
    return {
        "kind": "comparison",
        "a": {"cell": comparison.a.cell, "code": comparison.a.code},
        "b": {"cell": comparison.b.cell, "code": comparison.b.code},
        "control": comparison.control.cell,
        "metric": METRICS[comparison.rule.metric],
        "verdict": judgement.word,
        "reason": judgement.reason,
        "sentence": sentence(comparison, judgement),
        "speedup": judgement.factor if pairs.ratios else None,
        "speedup_low": judgement.low if speedup.half is not None else None,
        "speedup_high": judgement.high if speedup.half is not None else None,
        "confidence": pairs.confidence,
        "p": judgement.p,
        "pairs": len(pairs.ratios),
        "doubtful_pairs": comparison.doubtful_pairs[0],
        "more_pairs": pairs.more() if judgement.word == "UNSURE" else None,
        "margin": pairs.margin,
        "smallest_effect": pairs.smallest_effect,
        "log_ratio_spread": pairs.spread,
        "log_ratios": pairs.ratios,
        "control_log_s": pairs.controls,
        "processes": [
            {"role": run.role, "replicate": run.outcome.replicate, "kind": run.outcome.as_json()["kind"]}
            for run in comparison.runs
        ],
    }

"""What came of a comparison: the sentence first, then the numbers behind it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console
from rich.text import Text

from feedrate.comparison.comparison import METRICS, Comparison, Variant
from feedrate.comparison.paired_test import FIRST_LOOK, ComparisonVerdict
from feedrate.formatting import ABSENT, number
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


def sentence(duel: Comparison, found: ComparisonVerdict) -> str:
    """The verdict and the numbers that say so, in one line."""
    a, b = _names(duel)
    if found.word == "INVALID":
        return f"INVALID: {a} against {b} gives no verdict: {found.reason}"
    claim = {
        "FASTER": f"{a} is FASTER than {b}",
        "SLOWER": f"{a} is SLOWER than {b}",
        "SAME": f"{a} is the SAME as {b} within {_percent(duel.rule.margin)}",
        "UNSURE": f"UNSURE whether {a} is faster or slower than {b}",
    }[found.word]
    said = [f"{claim}: {interval(found)} from {len(found.pairs.ratios)} pairs"]
    said += [found.reason] if found.reason else []
    said += [f"smallest effect it could see {_effect(found)}"] if len(found.pairs.ratios) >= FIRST_LOOK else []
    return "; ".join(said)


def interval(found: ComparisonVerdict) -> str:
    """How many times A's speed is B's, such as `x1.31 (1.28-1.35)`."""
    if len(found.pairs.ratios) < FIRST_LOOK:
        return "no interval yet"
    digits = 2 if found.high - found.low > 0.02 else 3
    return f"x{found.factor:.{digits}f} ({found.low:.{digits}f}-{found.high:.{digits}f})"


def show(console: Console, duels: Sequence[Comparison], judgements: Sequence[ComparisonVerdict]) -> None:
    """Print the sentence of each; of one comparison also what was measured, of several a table."""
    for duel, found in zip(duels, judgements, strict=True):
        console.print(Text(sentence(duel, found), style=_STYLES[found.word]), soft_wrap=True)
    console.print()
    _show_sides(console, duels)
    if len(duels) > 1:
        _show_family(console, duels, judgements)
    for line in dict.fromkeys(line for duel in duels for line in _remarks(duel)):
        console.print(Text(line), soft_wrap=True)
    ran = [one.outcome for duel in duels for one in duel.runs]
    for line in caption(ran) if ran else ():
        console.print(Text(line, style="dim"), soft_wrap=True)


def _show_family(console: Console, duels: Sequence[Comparison], judgements: Sequence[ComparisonVerdict]) -> None:
    rows = []
    for duel, found in zip(duels, judgements, strict=True):
        texts = (
            *(found.word, _key(duel.a), _key(duel.b), interval(found), str(len(found.pairs.ratios))),
            *(number(found.p, 2) if found.word != "INVALID" else ABSENT, _effect(found)),
        )
        rows.append(Row(texts, _STYLES[found.word]))
    print_grid(console, _FAMILY, rows)
    console.print("p is adjusted for all of them: of those that are FASTER or SLOWER one in twenty may be false")


def _show_sides(console: Console, duels: Sequence[Comparison]) -> None:
    limits = duels[0].rule
    console.print(f"time a sample of {_ABOUT[limits.metric]}; means of processes, each fresh, in the order CABBA")
    rows = [
        Row((label, _key(side), *_figures(duel.measured(role))))
        for duel in duels
        for label, role, side in (("A", "a", duel.a), ("B", "b", duel.b), ("control", "control", duel.control))
    ]
    print_grid(console, _SIDES, rows)


def _figures(measured: Sequence[Measurement]) -> Iterator[str]:
    yield str(len(measured))
    yield number(_mean(one.samples_per_s for one in measured), 4)
    yield number(_mean(1e3 * one.full_batch_mean_s for one in measured))
    yield number(_mean(1e3 * one.loader_batch_s for one in measured))
    yield number(_mean(1e3 * one.step_batch_s for one in measured))


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return statistics.fmean(found) if found else None


def _remarks(duel: Comparison) -> Iterator[str]:
    """What a reader must know before believing a side's numbers."""
    for label, role, side in (("A", "a", duel.a), ("B", "b", duel.b)):
        measured = tuple(duel.measured(role))
        yield from (f"{label}: {line}" for line in notes(Cell(side.cell, measured, ())) if measured)


def _key(side: Variant) -> str:
    return f"{side.cell}@{side.code}" if side.code else side.cell


def _names(duel: Comparison) -> tuple[str, str]:
    """What tells the two apart, in as few words as will do."""
    a, b = CellKey.parse(duel.a.cell), CellKey.parse(duel.b.cell)
    if a == b:
        return (f"@{duel.a.code}", f"@{duel.b.code}") if duel.a.code and duel.b.code else (_key(duel.a), _key(duel.b))
    if duel.a.code != duel.b.code:
        return _key(duel.a), _key(duel.b)
    apart = [(of_a, of_b) for of_a, of_b in zip(a, b, strict=True) if of_a != of_b]
    return "/".join(of_a for of_a, _ in apart), "/".join(of_b for _, of_b in apart)


def _effect(found: ComparisonVerdict) -> str:
    smallest = found.pairs.smallest_effect
    return ABSENT if smallest is None else _percent(math.expm1(smallest))


def _percent(share: float) -> str:
    return f"{number(100 * share, 2)} %"


def document(duel: Comparison, found: ComparisonVerdict) -> dict[str, object]:
    """A comparison for machines: the verdict, its numbers, and the pairs behind them. None where not measured."""
    pairs, speedup = found.pairs, found.pairs.speedup
    return {
        "kind": "comparison",
        "a": {"cell": duel.a.cell, "code": duel.a.code},
        "b": {"cell": duel.b.cell, "code": duel.b.code},
        "control": duel.control.cell,
        "metric": METRICS[duel.rule.metric],
        "verdict": found.word,
        "reason": found.reason,
        "sentence": sentence(duel, found),
        "speedup": found.factor if pairs.ratios else None,
        "speedup_low": found.low if speedup.half is not None else None,
        "speedup_high": found.high if speedup.half is not None else None,
        "confidence": pairs.confidence,
        "p": found.p,
        "pairs": len(pairs.ratios),
        "more_pairs": pairs.more() if found.word == "UNSURE" else None,
        "margin": pairs.margin,
        "smallest_effect": pairs.smallest_effect,
        "log_ratio_spread": pairs.spread,
        "log_ratios": pairs.ratios,
        "control_log_s": pairs.controls,
        "processes": [
            {"role": ran.role, "replicate": ran.outcome.replicate, "kind": ran.outcome.as_json()["kind"]}
            for ran in duel.runs
        ],
    }

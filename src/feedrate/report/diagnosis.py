"""Why a cell is as fast as it is: the sentence, a waterfall from T_S to T_F, the rungs, and what either can gain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from feedrate.diagnosis.attribution import rung_s
from feedrate.formatting import ABSENT, factor, number, share
from feedrate.records.ladder import RUNGS
from feedrate.records.validity import said
from feedrate.report.caption import caption
from feedrate.report.contention import show_besides
from feedrate.report.grid import GAP, Column, Row, leaving, print_grid

if TYPE_CHECKING:
    from feedrate.diagnosis.diagnosis import Diagnosis
    from feedrate.diagnosis.evidence import Evidence
    from feedrate.records.estimate import Estimate

__all__ = ["show", "waterfall"]

_WIDTH, _NARROW = 40, 10
"""Characters of the longest bar, and where there is little room."""
_NOTHING = 0.05
"""Share of the slower side below which the quicker one is hidden in what windows scatter by."""
_UNEVEN = 0.25
"""Windows whose batches are so much larger or smaller than an epoch's say less: a batch has costs of its own."""
_WHAT = {
    "R0": "batches that are ready on the device",
    "R1": "+ bringing them there, in the model's dtypes",
    "R2": "+ gather and hand-over, from decoded blocks",
    "R3": "+ decode, from files' bytes in memory",
    "R4": "+ reading, from the page cache: the cell itself",
    "R5": "+ reading, from the disk",
}
_WATERFALL = (Column(""), Column("ms", right=True), Column("+-", right=True, leaves=2), Column("", leaves=1))
_RUNGS = (
    *(Column("rung"), Column("with step ms", right=True), Column("+-", right=True, leaves=2)),
    *(
        Column("without ms", right=True, leaves=3),
        Column("+-", right=True, leaves=1),
        Column("what is real", wraps=True),
    ),
)
_EXPLAINED = (
    "every rung adds one stage to the one above; what it takes longer is what that stage costs the step",
    "a delay of d put into a stage comes back as d where that stage binds, and as nothing where it is hidden",
    "with n readers a delay in reading or decoding is shared by them: 1/n of it comes back where it binds",
    "c_S: what the loader slows the step by when neither waits for the other; k: what is left to a short queue",
    f"on a narrow terminal the waterfall loses its bars, then +-; the rungs {leaving(_RUNGS)}",
)


def show(console: Console, found: Sequence[Diagnosis], *, explain: bool = False) -> None:
    """Print each cell's picture, then what loaders and steps cost each other if there are several."""
    for one in found:
        _show(console, one, explain=explain)
        if len(found) > 1:
            console.print()
    if len(found) > 1:
        show_besides(console, found, explain=explain)


def _show(console: Console, found: Diagnosis, *, explain: bool) -> None:
    """The verdict first, then the picture it comes from."""
    evidence = found.evidence
    console.print(Text(found.verdict.sentence, style="bold"), soft_wrap=True)
    console.print()
    console.print(Text(f"{found.cell}, ms a batch, mean of {_plural(len(found.measured), 'process', 'processes')}"))
    print_grid(console, _WATERFALL, list(_waterfall(console, evidence)))
    console.print()
    print_grid(console, _RUNGS, list(_rungs(found)))
    console.print()
    for name, text in _lines(evidence):
        console.print(Text(f"{name:<12}{text}"), soft_wrap=True)
    for line in (*said(found.measured), *_uneven(found)):
        console.print(Text(f"! {line}", style="yellow"), soft_wrap=True)
    for line in (*(_EXPLAINED if explain else ()), *caption(found.measured)):
        console.print(Text(line, style="dim"), soft_wrap=True)


# --- the waterfall


@dataclass(frozen=True)
class _Bar:
    """One line of the waterfall."""

    name: str
    taken: Estimate
    start_s: float
    style: str = ""


def _waterfall(console: Console, evidence: Evidence) -> Iterator[Row]:
    bars = list(_bars(evidence))
    longest = max(max(bar.start_s, bar.start_s + bar.taken.mean) for bar in bars)
    texts = [(bar.name, _ms(bar.taken.mean), _half(bar.taken)) for bar in bars]
    taken = sum(max(map(len, column)) + GAP for column in zip(*texts, strict=True))
    width = max(_NARROW, min(_WIDTH, console.width - taken))
    for bar, known in zip(bars, texts, strict=True):
        drawn = _drawn(bar, longest, width, "█" if console.is_terminal else "#")
        yield Row((*known, Text(drawn, style=bar.style if console.is_terminal else "")))


def _bars(evidence: Evidence) -> Iterator[_Bar]:
    """The step alone, then what each stage adds, then both together and the loader alone."""
    yield _Bar("T_S step alone", evidence.step_s, 0.0, "green")
    at = evidence.step_s.mean
    for stage, part in _in_order(evidence):
        if stage != "read cold":
            yield _Bar(f"  + {stage}", part, at, "yellow")
            at += part.mean
    if evidence.unexplained_s is not None:
        yield _Bar("  + unexplained", evidence.unexplained_s, at, "dim")
    yield _Bar("T_F together", evidence.full_s, 0.0, "cyan")
    if "read cold" in evidence.parts:
        yield _Bar("  + read cold", evidence.parts["read cold"], evidence.full_s.mean, "red")
    yield _Bar("T_L loader alone", evidence.loader_s, 0.0, "dim")


def waterfall(evidence: Evidence) -> Iterator[tuple[str, Estimate]]:
    """Yield the parts of T_F by name, seconds a batch, in the order in which they are drawn."""
    yield from ((bar.name.removeprefix("  + "), bar.taken) for bar in _bars(evidence))


def _in_order(evidence: Evidence) -> Iterator[tuple[str, Estimate]]:
    """The parts from the step outwards, those that could not be told apart under all their names."""
    parts = {**evidence.parts, **evidence.lumped}
    for stage in RUNGS.values():
        yield from ((name, part) for name, part in parts.items() if name.partition(" + ")[0] == stage)


def _drawn(bar: _Bar, longest: float, width: int, mark: str) -> str:
    start, end = sorted((bar.start_s, bar.start_s + bar.taken.mean))
    first, last = (round(width * max(0.0, at) / longest) for at in (start, end))
    return " " * first + mark * max(last - first, 1 if bar.taken.mean > 0 else 0)


# --- the rungs


def _rungs(found: Diagnosis) -> Iterator[Row]:
    for name in RUNGS:
        full, alone = (rung_s(found.replicates, name, alone=alone) for alone in (False, True))
        absent = next((ladder.rungs[name].absent for ladder in found.ladders if name in ladder.rungs), "")
        if full is None and name == "R5" and not absent:
            continue
        what = _WHAT[name] if full is not None else f"not measured: {absent}"
        yield Row((name, *_figures(full), *_figures(alone), what), "" if full else "dim")


def _figures(taken: Estimate | None) -> tuple[str, str]:
    return (ABSENT, ABSENT) if taken is None else (_ms(taken.mean), _half(taken))


# --- the rest, a line each


def _lines(evidence: Evidence) -> Iterator[tuple[str, str]]:
    ceilings = (factor(max(1.0, found.mean)) for found in (evidence.loader_ceiling, evidence.step_ceiling))
    yield "ceilings", f"{' for a perfect loader, '.join(ceilings)} for a perfect step; {_overlap(evidence)}"
    yield "beside", _beside(evidence)
    yield "delays", _delays(evidence)
    if evidence.facts is not None:
        yield "step", _facts(evidence)
    yield "start-up", f"first batch after {number(evidence.first_batch_s)} s, {evidence.epoch_batches} batches an epoch"


def _overlap(evidence: Evidence) -> str:
    quicker, slower = sorted((evidence.step_s.mean, evidence.loader_s.mean))
    # It is what T_F scatters by over what the quicker side takes.
    if quicker < _NOTHING * slower:
        return "the quicker side takes next to nothing, so overlap says nothing"
    return f"overlap {evidence.overlap.mean:.2f} (1 perfect, 0 one after the other)"


def _beside(evidence: Evidence) -> str:
    if evidence.contention_s is None or evidence.loader_beside_s is None or evidence.coupling_s is None:
        return "not measured: the loader works only when it is asked"
    c_s, t_l, k = evidence.contention_s, evidence.loader_beside_s, evidence.coupling_s
    return f"c_S {_with_half(c_s)}, T_L beside the step {_with_half(t_l)}, coupling k {_with_half(k)}"


def _delays(evidence: Evidence) -> str:
    told = [f"{stage} {slope.mean:.2f}{_plus_minus(slope)}" for stage, slope in evidence.slopes.items()]
    readers = round(evidence.readers)
    shared = f"; {readers} readers share reading and decoding" if readers > 1 else ""
    return f"come back as {', '.join(told)}{shared}" if told else "not offered"


def _facts(evidence: Evidence) -> str:
    facts = evidence.facts
    if facts is None:
        return ABSENT
    told = []
    if facts.flops_per_step:
        achieved = facts.flops_per_step / evidence.step_s.mean
        told.append(f"{number(facts.flops_per_step / 1e9)} GFLOP, {number(achieved / 1e9)} GFLOP/s")
        if facts.peak_flop_per_s:
            peak = number(facts.peak_flop_per_s / 1e9)
            told.append(f"{share(achieved / facts.peak_flop_per_s)} of {peak} that a {facts.dtype} matmul reaches")
    counts = (("kernels", facts.kernels_per_step), ("operators", facts.operators_per_step))
    told += [f"{count:,.0f} {what}" for what, count in counts if count]
    if facts.syncs_per_step is not None:
        told.append(f"{facts.syncs_per_step:,.1f} waits for the device")
    if facts.device_busy_s is not None:
        told.append(f"device busy {share(facts.device_busy_s / evidence.step_s.mean)} of it")
    return ", ".join(told) or ABSENT


def _uneven(found: Diagnosis) -> Iterator[str]:
    """What is to be said where the windows of a rung met batches of other sizes than an epoch has on average."""
    mean = found.measured[0].batch_samples
    if mean is None:
        return
    groups = [rung.full for ladder in found.ladders for rung in ladder.rungs.values() if rung.full]
    sizes = [sum(one.samples for one in windows) / sum(one.batches for one in windows) for windows in groups]
    if max(abs(size - mean) for size in sizes) > _UNEVEN * mean:
        met = f"windows met {min(sizes):.0f} to {max(sizes):.0f} samples a batch where an epoch has {mean:.0f}"
        yield f"batches differ in size, and {met}: brought to that size, and exacter with longer windows (--seconds)"


def _ms(seconds: float) -> str:
    # What is nothing within its interval must not read as minus nothing.
    text = number(1e3 * seconds)
    return text.removeprefix("-") if not text.strip("-0.,") else text


def _half(taken: Estimate) -> str:
    return ABSENT if taken.half is None else number(1e3 * taken.half)


def _with_half(taken: Estimate) -> str:
    return f"{_ms(taken.mean)} ms" if taken.half is None else f"{_ms(taken.mean)} +-{number(1e3 * taken.half)} ms"


def _plus_minus(slope: Estimate) -> str:
    return "" if slope.half is None else f" +-{slope.half:.2f}"


def _plural(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"

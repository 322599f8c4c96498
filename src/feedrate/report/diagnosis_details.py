"""Print what a verdict stands on: the rungs, what loader and step cost each other, delays, the step's inside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from feedrate.diagnosis.attribution import rung_s
from feedrate.formatting import ABSENT, bare_ms, byte_size, factor, number, share, signed_ms
from feedrate.records.ladder import RUNGS
from feedrate.report.grid import Column, Row, leaving, print_entry, print_grid
from feedrate.report.soak_line import describe_soak

if TYPE_CHECKING:
    from feedrate.diagnosis.diagnosis import Diagnosis
    from feedrate.diagnosis.evidence import Evidence
    from feedrate.records.code_place import CodePlace
    from feedrate.records.estimate import Estimate
    from feedrate.records.step_profile import StepProfile

__all__ = ["LADDER_TERMS", "LEAVING", "MARGIN", "TERMS", "has_ladder", "print_details"]

MARGIN = 12
"""Characters of the names of lines."""
_NEXT_TO_NOTHING = 0.05
"""Share of the slower side below which the quicker side is hidden in the scatter of windows."""
_REAL = {
    "R0": "batches that are ready on the device",
    "R1": "+ bringing them there, in the model's dtypes",
    "R2": "+ gather and hand-over, from decoded blocks",
    "R3": "+ decode, from files' bytes in memory",
    "R4": "+ reading, from the page cache: the cell itself",
    "R5": "+ reading, from the disk",
}
_COLUMNS = (
    *(Column("rung"), Column("with step ms", right=True), Column("+-", right=True, leaves=2)),
    *(
        Column("without ms", right=True, leaves=3),
        Column("+-", right=True, leaves=1),
        Column("what is real", wraps=True),
    ),
)
_DELAYED = {"step": "the step", "read": "reading", "decode": "decoding", "hand-over": "handing over"}
"""What a delay was put into, in words."""
LEAVING = f"on a narrow terminal the waterfall loses its bars, then +-; the rungs {leaving(_COLUMNS)}"
TERMS = ("loader ceiling", "step ceiling", "overlap", "soak")
"""What the details are about, as the glossary knows it."""
LADDER_TERMS = (*(column.heading for column in _COLUMNS), "beside", "delay", "readers")
"""The same of a cell that was taken apart stage by stage; a person's own script is not."""


def has_ladder(diagnosis: Diagnosis) -> bool:
    """Whether any replicate was taken apart stage by stage."""
    return any(ladder.rungs for ladder in diagnosis.ladders)


def print_details(console: Console, diagnosis: Diagnosis) -> None:
    """Print the table of rungs, then a line each for ceilings, contention, delays, step and start-up."""
    if has_ladder(diagnosis):
        print_grid(console, _COLUMNS, list(_rungs(diagnosis)))
        console.print()
    for name, text in (*_lines(diagnosis), *_copies(diagnosis)):
        print_entry(console, name, MARGIN, Text(text))
    absent = next((ladder.loading.absent for ladder in diagnosis.ladders if ladder.loading), "")
    if absent:
        print_entry(console, "loading", MARGIN, Text(f"its parts were not measured: {absent}"))
    if diagnosis.soak is not None:
        print_entry(console, "soak", MARGIN, Text(describe_soak(diagnosis.soak)))


def _rungs(diagnosis: Diagnosis) -> Iterator[Row]:
    for name in RUNGS:
        full, alone = (rung_s(diagnosis.standing, name, alone=alone) for alone in (False, True))
        absent = next((ladder.rungs[name].absent for ladder in diagnosis.ladders if name in ladder.rungs), "")
        if full is None and name == "R5" and not absent:
            continue
        real = _REAL[name] if full is not None else f"not measured: {absent}"
        yield Row((name, *_figures(full), *_figures(alone), real), "" if full else "dim")


def _figures(cost: Estimate | None) -> tuple[str, str]:
    return (ABSENT, ABSENT) if cost is None else (signed_ms(cost.mean), bare_ms(cost.half))


def _lines(diagnosis: Diagnosis) -> Iterator[tuple[str, str]]:
    evidence = diagnosis.evidence
    loader_gain, step_gain = (factor(max(1.0, c.mean)) for c in (evidence.loader_ceiling, evidence.step_ceiling))
    yield "ceilings", f"{loader_gain} for a perfect loader, {step_gain} for a perfect step; {_overlap(evidence)}"
    if evidence.traits.dataloader is None:
        yield "beside", _beside(evidence)
        yield "delays", _delays(evidence)
    for side, places in evidence.places.items():
        yield f"{side} at", _lines_of(places)
    if evidence.facts is not None:
        yield "step", ", ".join([*_size(diagnosis), *_inside_step(evidence.facts, evidence.step_s.mean)]) or ABSENT
    yield "start-up", f"first batch after {number(evidence.first_batch_s)} s, {evidence.epoch_batches} batches an epoch"


def _overlap(evidence: Evidence) -> str:
    quicker_s, slower_s = sorted((evidence.step_s.mean, evidence.loader_s.mean))
    # Overlap is a difference of noisy times over the quicker side's.
    if quicker_s < _NEXT_TO_NOTHING * slower_s:
        return "the quicker side takes next to nothing, so overlap says nothing"
    return f"overlap {evidence.overlap.mean:.2f} (1 perfect, 0 one after the other)"


def _beside(evidence: Evidence) -> str:
    """What loader and step cost each other while both work and neither waits, and what waiting adds."""
    step_loss, loader, waits = evidence.contention_s, evidence.loader_beside_s, evidence.coupling_s
    if step_loss is None or loader is None or waits is None:
        return "not measured: the loader works only when it is asked"
    return (
        f"beside the loader a step takes {_with_half(step_loss)} more; "
        f"beside the step the loader takes {_with_half(loader)}, alone {signed_ms(evidence.loader_s.mean)} ms; "
        f"waiting for each other adds {_with_half(waits)}"
    )


def _copies(diagnosis: Diagnosis) -> Iterator[tuple[str, str]]:
    """How quick batches are brought to a device, beside what single large copies to it reach."""
    rates = next((ladder.copy_rates for ladder in diagnosis.ladders if ladder.copy_rates), None)
    if rates is None:
        return
    locked, other = (f"{byte_size(rate)}/s" for rate in (rates.page_locked, rates.pageable))
    limit = f"{locked} that single large copies reach from page-locked memory; {other} from other memory"
    first, brought = diagnosis.standing[0][0], rung_s(diagnosis.standing, "R1", alone=True)
    nbytes = (first.pinned_copy_bytes or 0) + (first.pageable_copy_bytes or 0)
    if not nbytes or brought is None:
        yield "copies", f"at most {limit}"
        return
    own = nbytes / brought.mean
    yield "copies", f"batches that are ready come at {byte_size(own)}/s, {share(own / rates.page_locked)} of {limit}"


def _lines_of(places: Sequence[CodePlace]) -> str:
    """The lines of a script that one side was met at most often."""
    lines = (
        f"{share(place.share)} {place.file}:{place.line} {place.function}"
        + (f" ({place.calls})" if place.calls else "")
        for place in places
    )
    return "; ".join(lines) or "met at no line of the script"


def _delays(evidence: Evidence) -> str:
    """How much of an added delay comes back, stage by stage."""
    returned = [
        f"{_DELAYED.get(stage, stage)} {share(slope.mean)}{'' if slope.half is None else f' +-{share(slope.half)}'}"
        for stage, slope in evidence.slopes.items()
    ]
    if not returned:
        return "not offered"
    readers = round(evidence.readers)
    shared = f"; {readers} readers share reading and decoding, and delays in them" if readers > 1 else ""
    return f"of a delay put into it comes back: {', '.join(returned)}{shared}"


def _inside_step(profile: StepProfile, step_s: float) -> Iterator[str]:
    yield from _work(profile, step_s)
    if profile.kernels_per_step:
        yield f"{profile.kernels_per_step:,.0f} kernels"
    if profile.operators_per_step:
        yield f"{profile.operators_per_step:,.0f} operators"
    if profile.syncs_per_step is not None:
        yield f"{profile.syncs_per_step:,.1f} waits for the device"
    if profile.device_busy_s is not None:
        yield f"device busy {share(profile.device_busy_s / step_s)} of it"


def _size(diagnosis: Diagnosis) -> Iterator[str]:
    """How much there is to train."""
    health = diagnosis.measured[0].health
    if health is not None and health.parameters is not None:
        yield f"{health.parameters:,} parameters"


def _work(profile: StepProfile, step_s: float) -> Iterator[str]:
    """Floating-point operations of a step, their rate, and that rate's share of the peak."""
    if not profile.flops_per_step:
        return
    achieved = profile.flops_per_step / step_s
    yield f"{number(profile.flops_per_step / 1e9)} GFLOP, {number(achieved / 1e9)} GFLOP/s"
    if profile.peak_flop_per_s:
        peak = number(profile.peak_flop_per_s / 1e9)
        yield f"{share(achieved / profile.peak_flop_per_s)} of {peak} that a {profile.dtype} matmul reaches"


def _with_half(cost: Estimate) -> str:
    return f"{signed_ms(cost.mean)} ms" if cost.half is None else f"{signed_ms(cost.mean)} +-{bare_ms(cost.half)} ms"

"""What holds a cell back: one sentence with the numbers that say so, the next thing to try, and what it can gain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Literal, TypeAlias

from feedrate.diagnosis.evidence import Evidence
from feedrate.diagnosis.thresholds import (
    BOUND,
    BOUNDARY,
    BUSY,
    CONFIRMED,
    EXPLAINED,
    FULL_RATE,
    MANY,
    SERIAL,
    SEVERAL,
    SLOWED,
    SMALL_S,
    STARTUP_EPOCHS,
    STARTUP_S,
    SUM,
    TOGETHER,
    TOLD,
    TURNS,
    UNSURE,
    WORTH_OVERLAPPING,
)
from feedrate.diagnosis.wording import MORE, NEXT_TRY, STAGE_WORDS, STEADY, describe_step
from feedrate.formatting import factor, ms
from feedrate.records.estimate import Estimate, replicates_for
from feedrate.records.step_profile import StepProfile

__all__ = ["Family", "Kind", "Verdict", "verdict"]

Kind: TypeAlias = Literal[
    "read cold", "read warm", "decode", "hand-over", "copy", "loader-bound",
    "compute", "launch", "sync", "step-bound",
    "contention", "coupling", "no overlap", "start-up", "unsure",
]  # fmt: skip
"""`loader-bound` and `step-bound` alone: bound there, and the stage was not told apart."""
Family: TypeAlias = Literal["loader", "step", "both", "unsure"]


@dataclass(frozen=True)
class Verdict:
    """What holds a cell back."""

    kind: Kind
    sentence: str
    """One line for a newcomer: the kind, the numbers that say so, the next thing to try."""
    next_try: str
    """The next thing to try, in a few words."""
    gain_at_most: float
    """Factor by which that can speed the cell up at most; 1 where nothing is promised."""
    numbers: Mapping[str, float] = field(default_factory=dict)
    """What the sentence stands on, by name, the unit at its end."""
    firm: bool = True
    """False: more replicates could say more."""
    statement: str = ""
    """The sentence without what to try."""

    @property
    def advice(self) -> str:
        """The next thing to try, and what it can gain at most if that is worth a word."""
        return self.next_try + (f" ({factor(self.gain_at_most)} at most)" if self.gain_at_most >= 1.005 else "")

    @property
    def family(self) -> Family:
        """Which side holds the cell back."""
        return _FAMILIES.get(self.kind, "loader")

    def as_json(self) -> dict[str, object]:
        """Plain values, as JSON can hold them."""
        return asdict(self) | {"family": self.family}


_FAMILIES: Mapping[Kind, Family] = {
    "compute": "step", "launch": "step", "sync": "step", "step-bound": "step",
    "contention": "both", "coupling": "both", "no overlap": "both", "unsure": "unsure",
}  # fmt: skip


def verdict(evidence: Evidence) -> Verdict:
    """What holds the cell back that `evidence` was measured of; thresholds: docs/decisions/0007-verdict.md."""
    doubt = _doubt(evidence)
    likely = _likely(evidence)
    if doubt is None or likely.kind == "unsure":
        return likely
    said, way = doubt
    return _made(evidence, "unsure", f"most likely {_title(likely.kind)}, but {said}", 1.0, way)


def _likely(seen: Evidence) -> Verdict:
    """What holds the cell back if the means are taken at their word."""
    for rule in (_start_up, _one_side, _both_sides):
        found = rule(seen)
        if found is not None:
            return found
    return _left_over(seen)


# --- rules, in the order in which they are asked


def _doubt(seen: Evidence) -> tuple[str, str] | None:
    """Why the means cannot be taken at their word, and what would help: an interval, or a rest, that is too wide."""
    low, high = _ends(seen.stall_share)
    if low < UNSURE[0] and high > UNSURE[1]:
        more = replicates_for(seen.stall_share, seen.replicates, (UNSURE[1] - UNSURE[0]) / 2)
        said = f"loading costs between {max(0.0, low):.0%} and {min(1.0, high):.0%} of the time"
        way = f"try --replicates {more}, or longer windows (--seconds)" if more <= MANY else STEADY
        return said, way
    rest = seen.unexplained_s
    if rest and abs(rest.mean) > EXPLAINED * seen.full_s.mean and _is_clear(rest):
        said = f"{ms(rest.mean)} of {ms(seen.full_s.mean)} a batch stay unexplained"
        return said, STEADY
    return None


def _start_up(seen: Evidence) -> Verdict | None:
    epoch_s = seen.epoch_batches * seen.full_s.mean
    if seen.first_batch_s > max(STARTUP_S, STARTUP_EPOCHS * epoch_s):
        said = f"the first batch takes {seen.first_batch_s:.2g} s, a whole epoch {epoch_s:.2g} s"
        return _made(seen, "start-up", said, (seen.first_batch_s + epoch_s) / epoch_s)
    boundary = (seen.boundary_s or 0.0) / seen.epoch_batches
    if seen.loader_ceiling.mean > BOUND and boundary > BOUNDARY * seen.stall_s.mean:
        said = f"each epoch begins with {ms(seen.boundary_s or 0.0)} of waiting"
        return _made(seen, "start-up", said, seen.full_s.mean / (seen.full_s.mean - boundary))
    return None


def _one_side(seen: Evidence) -> Verdict | None:
    """T_F is what one side takes alone; near balance both are, and the slower one is named."""
    by_step, by_loader = seen.loader_ceiling.mean <= BOUND, seen.step_ceiling.mean <= BOUND
    if by_step and not (by_loader and seen.loader_s.mean > seen.step_s.mean):
        return _by_step(seen)
    serial = seen.overlap.mean <= SERIAL
    if by_loader or (serial and seen.step_s.mean < WORTH_OVERLAPPING * seen.loader_s.mean):
        return _by_loader(seen)
    return None


def _both_sides(seen: Evidence) -> Verdict | None:
    """Neither side alone explains T_F, but what they do to each other does."""
    full_s, slower_s = seen.full_s.mean, max(seen.step_s.mean, seen.loader_s.mean)
    beside = _beside_s(seen)
    slowed = beside is not None and beside - slower_s >= SLOWED * (full_s - slower_s)
    if beside is not None and slowed and full_s <= TOGETHER * beside:
        said = f"{_sides(seen)}; beside each other the slower one takes {ms(beside)}"
        return _made(seen, "contention", said, full_s / slower_s)
    serial_s = seen.step_s.mean + seen.loader_s.mean
    if full_s > SUM * serial_s:
        said = f"{_sides(seen)}, and both together {ms(full_s)}: more than one after the other"
        return _made(seen, "unsure", said, 1.0, STEADY)
    excess_s, shorter_s = full_s - slower_s, min(seen.step_s.mean, seen.loader_s.mean)
    if seen.overlap.mean <= SERIAL and shorter_s >= TURNS * excess_s:
        said = f"{ms(seen.loader_s.mean)} of loading and {ms(seen.step_s.mean)} of training take turns"
        beside_s = seen.contention_s
        if beside_s is not None and beside_s.half is not None and beside_s.high >= excess_s:
            more = f"{ms(beside_s.mean)} +-{ms(beside_s.half)} more"
            said += f", or slow each other down: beside the loader a step takes {more}"
            return _made(seen, "unsure", said, 1.0, STEADY)
        return _made(seen, "no overlap", said, full_s / slower_s)
    if beside is not None:
        said = f"{ms(full_s - beside)} a batch go where neither side alone explains it: a short queue and jitter"
        return _made(seen, "coupling", said, full_s / beside)
    return None


def _left_over(seen: Evidence) -> Verdict:
    """They overlap in part, and what they do to each other was not measured: the slower side."""
    return _by_step(seen) if seen.step_s.mean >= seen.loader_s.mean else _by_loader(seen)


def _beside_s(seen: Evidence) -> float | None:
    """The slower side while the other runs: max(T_L', T_S')."""
    if seen.contention_s is None or seen.loader_beside_s is None:
        return None
    return max(seen.step_s.mean + seen.contention_s.mean, seen.loader_beside_s.mean)


# --- the stage, once the side is known


def _by_loader(seen: Evidence) -> Verdict:
    kind = _stage(seen)
    part = seen.parts.get(kind)
    limit = f"no step can gain more than {factor(max(1.0, seen.step_ceiling.mean))} here"
    if part is None or kind == "loader-bound":
        said = f"{ms(seen.loader_s.mean)} of {ms(seen.full_s.mean)} a batch; {limit}"
        return _made(seen, "loader-bound", said, seen.loader_ceiling.mean)
    if seen.replicates >= SEVERAL and not _is_clear(part):
        doubt = f"most likely {STAGE_WORDS[kind]}: {ms(part.mean)} +-{ms(part.half or 0.0)} of {ms(seen.full_s.mean)}"
        found = _made(seen, "loader-bound", f"{doubt}; {limit}", seen.loader_ceiling.mean, MORE)
        return replace(found, firm=False)
    costs = f"{STAGE_WORDS[kind]} costs {ms(part.mean)} of {ms(seen.full_s.mean)} a batch"
    return _made(seen, kind, f"{costs}{_confirmed(seen, kind)}; {limit}", _without(seen, part))


def _stage(seen: Evidence) -> Kind:
    """The stage with the largest part, if it has enough of the stall."""
    describe_step: dict[Kind, float] = {name: part.mean for name, part in _named(seen)}
    if not describe_step:
        return "loader-bound"
    largest = max(describe_step, key=lambda name: describe_step[name])
    lumped = max((part.mean for part in seen.lumped.values()), default=0.0)
    stall_s = sum(describe_step.values()) if largest == "read cold" else seen.stall_s.mean
    return largest if describe_step[largest] > max(TOLD * stall_s, lumped) else "loader-bound"


def _named(seen: Evidence) -> list[tuple[Kind, Estimate]]:
    kinds: tuple[Kind, ...] = ("copy", "hand-over", "decode", "read warm", "read cold")
    return [(kind, seen.parts[kind]) for kind in kinds if kind in seen.parts]


def _without(seen: Evidence, part: Estimate) -> float:
    """What the cell gains when a part is gone, but never more than loading costs altogether."""
    left_s = seen.full_s.mean - part.mean
    return min(seen.full_s.mean / left_s, seen.loader_ceiling.mean) if left_s > 0 else seen.loader_ceiling.mean


_PROBES: Mapping[Kind, str] = {
    "read cold": "read", "read warm": "read", "decode": "decode", "hand-over": "hand-over",
}  # fmt: skip
"""The delay that is put into each stage."""


def _confirmed(seen: Evidence, kind: Kind) -> str:
    slope = seen.slopes.get(_PROBES.get(kind, ""))
    if slope is None:
        return ""
    word = "comes back" if slope.mean * seen.readers >= CONFIRMED else "does not come back: not confirmed"
    return f" (a delay put there {word}, {slope.mean:.2f} of it)"


def _by_step(seen: Evidence) -> Verdict:
    kind: Kind = _inside(seen.facts, seen.step_s.mean, seen.device) if seen.facts else "step-bound"
    said = f"no loader can gain more than {factor(max(1.0, seen.loader_ceiling.mean))} here"
    facts = describe_step(seen.facts, seen.step_s.mean) if seen.facts else ""
    return _made(seen, kind, f"{said}{facts}", seen.step_ceiling.mean)


def _inside(facts: StepProfile, step_s: float, device: str) -> Kind:
    """What the step is busy with."""
    if device == "cuda":
        if facts.device_busy_s is None:
            return "step-bound"
        if facts.device_busy_s >= BUSY * step_s:
            return "compute"
        return "sync" if (facts.syncs_per_step or 0) >= 1 else "launch"
    achieved = facts.peak_share(step_s)
    if facts.operators_per_step is None or achieved is None:
        return "step-bound"
    small = step_s / max(1.0, facts.operators_per_step) < SMALL_S
    return "launch" if small and achieved < FULL_RATE else "compute"


# --- words


def _made(seen: Evidence, kind: Kind, said: str, gain: float, next_try: str = "") -> Verdict:
    statement = f"{_title(kind)}: {said}"
    way, numbers = next_try or NEXT_TRY[kind], dict(_numbers(seen))
    made = Verdict(kind, "", way, max(1.0, gain), numbers, kind != "unsure", statement)
    return replace(made, sentence=f"{statement}: {made.advice}")


def _title(kind: Kind) -> str:
    family = _FAMILIES.get(kind, "loader")
    if kind in ("loader-bound", "step-bound", "start-up") or family in ("both", "unsure"):
        return kind
    return f"{family}-bound ({kind})"


def _numbers(seen: Evidence) -> Mapping[str, float]:
    found = {
        "step_s": seen.step_s.mean,
        "loader_s": seen.loader_s.mean,
        "full_s": seen.full_s.mean,
        "loader_ceiling": seen.loader_ceiling.mean,
        "step_ceiling": seen.step_ceiling.mean,
        "overlap": seen.overlap.mean,
        "first_batch_s": seen.first_batch_s,
    }
    several = {"contention_s": seen.contention_s, "coupling_s": seen.coupling_s, "unexplained_s": seen.unexplained_s}
    found |= {name: one.mean for name, one in several.items() if one is not None}
    found |= {f"{name} part_s": part.mean for name, part in seen.parts.items()}
    found |= {f"{name} slope": slope.mean for name, slope in seen.slopes.items()}
    share = seen.facts.peak_share(seen.step_s.mean) if seen.facts else None
    return found if share is None else found | {"peak_share": share}


def _sides(seen: Evidence) -> str:
    return f"the loader alone takes {ms(seen.loader_s.mean)}, the step {ms(seen.step_s.mean)}"


def _ends(found: Estimate) -> tuple[float, float]:
    """Ends of the interval; one replicate has none, and is taken at its word."""
    return (found.mean, found.mean) if found.half is None else (found.low, found.high)


def _is_clear(found: Estimate) -> bool:
    return found.half is not None and abs(found.mean) > found.half

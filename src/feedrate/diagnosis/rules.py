"""Find what holds a cell back: rules over its evidence, in the order of docs/decisions/0007-verdict.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from feedrate.diagnosis.causes import Cause, HeldBack, StepInPython, causes_in, is_python
from feedrate.diagnosis.evidence import STAGES, Evidence, Stage
from feedrate.diagnosis.finding import (
    Finding,
    Kind,
    LateFirstBatch,
    LoaderCost,
    LoadingCost,
    SlowedDown,
    SlowEpochStarts,
    SlowerThanTurns,
    StageCost,
    StepCost,
    TakingTurns,
    Unexplained,
    UnexplainedQueue,
    WideStall,
    family_of,
)
from feedrate.diagnosis.thresholds import Thresholds
from feedrate.records.code_place import CodePlace
from feedrate.records.estimate import Estimate, replicates_for
from feedrate.records.step_profile import StepProfile

__all__ = ["find"]


def find(evidence: Evidence) -> Finding:
    """What holds the cell back that `evidence` was measured of."""
    likely = _likely(evidence)
    doubt = None if likely.kind == "unsure" else _doubt(evidence, likely.kind)
    finding = likely if doubt is None else Finding("unsure", doubt)
    causes = (
        *causes_in(evidence.competition, evidence.full_s.mean),
        *_held_back(evidence, finding),
        *_in_python(evidence, finding),
    )
    return replace(finding, causes=causes, place=_place(evidence, finding.kind))


def _place(evidence: Evidence, kind: Kind) -> CodePlace | None:
    """The line of a person's script that the blamed side is at most often, if it is there often enough."""
    # Where both take turns, it is loading that could be done meanwhile.
    side = "loader" if kind == "no overlap" else family_of(kind)
    place = next(iter(evidence.places.get(side, ())), None)
    return place if place is not None and place.share >= Thresholds.min_share_of_place else None


def _held_back(evidence: Evidence, finding: Finding) -> Iterator[Cause]:
    """Yield that finished batches wait for their turn, where loading takes time of the step's."""
    costs = evidence.stall_share.mean >= Thresholds.notable_stall_share
    elsewhere = finding.kind == "start-up" or family_of(finding.kind) == "step"
    if costs and not elsewhere and evidence.held_back_share >= Thresholds.min_held_back_share:
        yield Cause("order", HeldBack(evidence.held_back_share))


def _in_python(evidence: Evidence, finding: Finding) -> Iterator[Cause]:
    """Yield that the step is busy in Python, where it takes much of the time and the verdict is of something else."""
    share = evidence.step_s.mean / evidence.full_s.mean
    profile = None if family_of(finding.kind) == "step" else evidence.facts
    if profile is not None and is_python(profile) and share >= Thresholds.min_share_of_step_in_python:
        yield Cause("python", StepInPython(_placed(profile, evidence)))


def _placed(profile: StepProfile, evidence: Evidence) -> StepProfile:
    """Give the profile with the lines that somebody outside met the step at, where nobody inside looked."""
    lines = evidence.places.get("step", ())
    if profile.python is None or profile.python.places or not lines:
        return profile
    return replace(profile, python=replace(profile.python, places=tuple(lines)))


def _likely(evidence: Evidence) -> Finding:
    """What holds the cell back if the means are taken at their word."""
    for rule in (_start_up, _one_side, _both_sides):
        finding = rule(evidence)
        if finding is not None:
            return finding
    # They overlap in part, and what they do to each other was not measured: the slower side.
    return _by_step(evidence) if evidence.step_s.mean >= evidence.loader_s.mean else _by_loader(evidence)


# --- rules, in the order in which they are asked


def _doubt(evidence: Evidence, likely: Kind) -> WideStall | Unexplained | None:
    """Why the means cannot be taken at their word: an interval, or a rest, that is too wide."""
    stall, rest = evidence.stall_share, evidence.unexplained_s
    # One replicate has no interval, and is taken at its word.
    low, high = (stall.mean, stall.mean) if stall.half is None else (stall.low, stall.high)
    if low < Thresholds.negligible_stall_share and high > Thresholds.notable_stall_share:
        half = (Thresholds.notable_stall_share - Thresholds.negligible_stall_share) / 2
        more = replicates_for(stall, evidence.replicates, half)
        return WideStall(low, high, likely, more if more <= Thresholds.max_replicates_to_suggest else None)
    limit_s = Thresholds.max_unexplained_share * evidence.full_s.mean
    # What a resting stream costs the step is no rung's, and known.
    if rest is not None and abs(rest.mean - evidence.resting_s) > limit_s and rest.excludes_zero:
        return Unexplained(rest.mean, evidence.full_s.mean, likely)
    return None


def _start_up(evidence: Evidence) -> Finding | None:
    full_s, first_s = evidence.full_s.mean, evidence.first_batch_s
    epoch_s = evidence.epoch_batches * full_s
    if first_s > max(Thresholds.max_start_s, Thresholds.max_start_epochs * epoch_s):
        return Finding("start-up", LateFirstBatch(first_s, epoch_s), (first_s + epoch_s) / epoch_s)
    boundary_s = (evidence.boundary_s or 0.0) / evidence.epoch_batches
    limit_s = Thresholds.max_stall_share_of_epoch_starts * evidence.stall_s.mean
    if evidence.loader_ceiling.mean > Thresholds.max_ratio_to_one_side and boundary_s > limit_s:
        return Finding("start-up", SlowEpochStarts(evidence.boundary_s or 0.0), full_s / (full_s - boundary_s))
    return None


def _one_side(evidence: Evidence) -> Finding | None:
    """T_F is what one side takes alone; near balance both are, and the slower one is named."""
    step_s, loader_s = evidence.step_s.mean, evidence.loader_s.mean
    by_step = evidence.loader_ceiling.mean <= Thresholds.max_ratio_to_one_side
    by_loader = _slows_nothing(evidence) or evidence.step_ceiling.mean <= Thresholds.max_ratio_to_one_side
    if by_step and not (by_loader and loader_s > step_s):
        return _by_step(evidence)
    # Beside a step that takes little, a quicker loader gains more than overlap, or than an end to what they do to each
    # other; what takes longer than one after the other is neither's time.
    takes_little = step_s < Thresholds.min_step_share_worth_overlapping * loader_s
    if by_loader or (takes_little and not _is_slower_than_turns(evidence)):
        return _by_loader(evidence)
    return None


def _slows_nothing(evidence: Evidence) -> bool:
    """Whether the step takes so little that it can neither be what the loader waits for nor what slows it."""
    return evidence.step_s.mean < Thresholds.negligible_step_share * evidence.loader_s.mean


def _both_sides(evidence: Evidence) -> Finding | None:
    """Neither side alone explains T_F, but what they do to each other does."""
    for rule in (_contention, _slower_than_turns, _turns, _coupling):
        finding = rule(evidence)
        if finding is not None:
            return finding
    return None


def _contention(evidence: Evidence) -> Finding | None:
    full_s, slower_s, beside_s = evidence.full_s.mean, _slower_s(evidence), _beside_s(evidence)
    if beside_s is None:
        return None
    # Slower than one after the other, only what they do to each other is left, though beside they do less of it: no
    # side waits for a batch there.
    if full_s > Thresholds.max_ratio_to_side_beside * beside_s and not _is_slower_than_turns(evidence):
        return None
    if beside_s - slower_s < Thresholds.min_share_lost_beside * (full_s - slower_s):
        return None
    facts = SlowedDown(evidence.loader_s.mean, evidence.step_s.mean, beside_s)
    return Finding("contention", facts, full_s / slower_s)


def _slower_than_turns(evidence: Evidence) -> Finding | None:
    if not _is_slower_than_turns(evidence):
        return None
    facts = SlowerThanTurns(evidence.loader_s.mean, evidence.step_s.mean, evidence.full_s.mean)
    return Finding("unsure", facts)


def _is_slower_than_turns(evidence: Evidence) -> bool:
    return evidence.full_s.mean > Thresholds.max_ratio_to_sum * (evidence.step_s.mean + evidence.loader_s.mean)


def _turns(evidence: Evidence) -> Finding | None:
    step_s, loader_s, slower_s = evidence.step_s.mean, evidence.loader_s.mean, _slower_s(evidence)
    excess_s = evidence.full_s.mean - slower_s
    if evidence.overlap.mean > Thresholds.max_overlap_of_turns:
        return None
    if min(step_s, loader_s) < Thresholds.min_quicker_share_of_turns * excess_s:
        return None
    slowdown = evidence.contention_s
    if slowdown is not None and slowdown.half is not None and slowdown.high >= excess_s:
        return Finding("unsure", TakingTurns(loader_s, step_s, slowdown))
    return Finding("no overlap", TakingTurns(loader_s, step_s), evidence.full_s.mean / slower_s)


def _coupling(evidence: Evidence) -> Finding | None:
    full_s, beside_s = evidence.full_s.mean, _beside_s(evidence)
    return None if beside_s is None else Finding("coupling", UnexplainedQueue(full_s - beside_s), full_s / beside_s)


def _slower_s(evidence: Evidence) -> float:
    return max(evidence.step_s.mean, evidence.loader_s.mean)


def _beside_s(evidence: Evidence) -> float | None:
    """The slower side while the other runs: max(T_L', T_S')."""
    if evidence.contention_s is None or evidence.loader_beside_s is None:
        return None
    return max(evidence.step_s.mean + evidence.contention_s.mean, evidence.loader_beside_s.mean)


# --- the stage, once the side is known


def _by_loader(evidence: Evidence) -> Finding:
    if evidence.loading_parts:
        return _by_loading(evidence)
    stage, full_s, limit = _main_stage(evidence), evidence.full_s.mean, evidence.step_ceiling.mean
    if _slows_nothing(evidence):
        # What T_F exceeds T_L by is not the step's to give: it is what others on the machine took.
        limit = min(limit, full_s / (full_s - evidence.step_s.mean))
    if stage is None:
        return Finding("loader-bound", LoaderCost(evidence.loader_s.mean, full_s, limit), evidence.loader_ceiling.mean)
    cost = evidence.parts[stage]
    if evidence.replicates >= Thresholds.min_replicates_for_interval and not cost.excludes_zero:
        facts = StageCost(stage, cost, full_s, limit, clear=False)
        return Finding("loader-bound", facts, evidence.loader_ceiling.mean)
    returned, confirmed = _delay_returned(evidence, stage)
    facts = StageCost(stage, cost, full_s, limit, returned, confirmed)
    return Finding(stage, facts, _gain_without(evidence, cost))


def _by_loading(evidence: Evidence) -> Finding:
    """Name the part of loading that takes most of T_L, if it has enough of it and is larger than what is unknown."""
    loader_s, full_s, limit = evidence.loader_s.mean, evidence.full_s.mean, evidence.step_ceiling.mean
    rest = evidence.loading_rest_s or Estimate(0.0, None)
    part = max(evidence.loading_parts, key=lambda part: part.cost.mean)
    enough_s = max(Thresholds.min_stall_share_of_stage * loader_s, abs(rest.mean))
    if part.cost.mean <= enough_s or part.stage == "start-up":
        return Finding("loader-bound", LoaderCost(loader_s, full_s, limit), evidence.loader_ceiling.mean)
    own = evidence.traits.dataloader
    facts = LoadingCost(part.stage, part.cost, loader_s, full_s, limit, rest, own.workers if own else 0)
    if evidence.replicates >= Thresholds.min_replicates_for_interval and not part.cost.excludes_zero:
        return Finding("loader-bound", replace(facts, clear=False), evidence.loader_ceiling.mean)
    return Finding(part.stage, facts, _gain_without(evidence, part.cost))


def _main_stage(evidence: Evidence) -> Stage | None:
    """The stage with the largest part, if it has enough of the stall."""
    costs_s = {stage: evidence.parts[stage].mean for stage in STAGES if stage in evidence.parts}
    if not costs_s:
        return None
    largest = max(costs_s, key=lambda stage: costs_s[stage])
    lumped_s = max((cost.mean for cost in evidence.lumped.values()), default=0.0)
    stall_s = sum(costs_s.values()) if largest == "read cold" else evidence.stall_s.mean
    enough_s = max(Thresholds.min_stall_share_of_stage * stall_s, lumped_s)
    return largest if costs_s[largest] > enough_s else None


def _gain_without(evidence: Evidence, cost: Estimate) -> float:
    """What the cell gains when a part is gone, but never more than loading costs altogether."""
    left_s = evidence.full_s.mean - cost.mean
    if left_s <= 0:
        return evidence.loader_ceiling.mean
    return min(evidence.full_s.mean / left_s, evidence.loader_ceiling.mean)


_DELAYED_IN: Mapping[Stage, str] = {
    "read cold": "read", "read warm": "read", "decode": "decode", "hand-over": "hand-over",
}  # fmt: skip
"""The delay that is put into each stage."""


def _delay_returned(evidence: Evidence, stage: Stage) -> tuple[float | None, bool]:
    """The share of a delay put into a stage that came back, and whether that confirms that the stage binds."""
    slope = evidence.slopes.get(_DELAYED_IN.get(stage, ""))
    if slope is None:
        return None, False
    return slope.mean, slope.mean * evidence.readers >= Thresholds.min_delay_share_returned


def _by_step(evidence: Evidence) -> Finding:
    profile, step_s = evidence.facts, evidence.step_s.mean
    kind: Kind = "step-bound" if profile is None else _inside(profile, step_s, evidence.device)
    facts = StepCost(step_s, evidence.loader_ceiling.mean, profile)
    return Finding(kind, facts, evidence.step_ceiling.mean)


def _inside(profile: StepProfile, step_s: float, device: str) -> Kind:
    """What the step is busy with."""
    if device == "cuda":
        if profile.device_busy_s is None:
            return "step-bound"
        if profile.device_busy_s >= Thresholds.min_busy_share_of_compute * step_s:
            return "compute"
        if (profile.syncs_per_step or 0) >= 1:
            return "sync"
        return "python" if is_python(profile) else "launch"
    if is_python(profile):
        return "python"
    # Others on the machine stretch the step, and with it each operator.
    step_s = min(step_s, profile.python.undisturbed_s if profile.python else step_s)
    achieved = profile.peak_share(step_s)
    if profile.operators_per_step is None or (achieved is None and profile.operators_s is None):
        return "step-bound"
    small = step_s / max(1.0, profile.operators_per_step) < Thresholds.max_operator_s_of_launch
    if achieved is None:
        return "launch" if small else _in_operators(profile, step_s)
    return "launch" if small and achieved < Thresholds.max_peak_share_of_launch else "compute"


def _in_operators(profile: StepProfile, step_s: float) -> Kind:
    """Say whether operators are what a step is busy with whose operations nobody counted: it may sleep as well."""
    busy_s = profile.operators_s or 0.0
    return "compute" if busy_s >= Thresholds.min_busy_share_of_compute * step_s else "step-bound"

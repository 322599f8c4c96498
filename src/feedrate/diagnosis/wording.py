"""Say in English what a rule found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from feedrate.diagnosis.cause_wording import cause_statement, place_phrase, python_phrases
from feedrate.diagnosis.evidence import LoadingStage, Stage
from feedrate.diagnosis.finding import (
    Facts,
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
from feedrate.formatting import factor, ms, share
from feedrate.records.step_profile import StepProfile

__all__ = ["STAGE_WORDS", "promise", "statement"]

STAGE_WORDS: Mapping[Stage, str] = {
    "read cold": "reading from the disk",
    "read warm": "reading from the page cache",
    "decode": "decoding",
    "hand-over": "gathering and handing over",
    "copy": "bringing batches to the step (copies, wider dtypes)",
}
"""What each stage of loading does."""

_LOADING_WORDS: Mapping[LoadingStage, str] = {
    "fetch": "fetching samples takes",
    "collate": "collating samples takes",
    "pin": "page-locking batches takes",
    "hand-over": "handing batches over between processes takes",
    "start-up": "beginning epochs takes",
}
"""What each part of loading in a person's own script does."""


def statement(finding: Finding) -> str:
    """The kind and the numbers that say so, in one line without a full stop."""
    phrases = (_described(finding.facts), *_place(finding), *map(cause_statement, finding.causes))
    return f"{_title(finding.kind)}: {'; '.join(phrases)}"


def _place(finding: Finding) -> Iterator[str]:
    """Yield where in a person's script the time goes, if that is known."""
    if finding.place is not None:
        whose = "the step" if family_of(finding.kind) == "step" else "fetching"
        yield place_phrase(whose, finding.place)


def promise(gain: float) -> str:
    """What a change gains at most, as the end of an advice; empty where that is next to nothing."""
    return f" ({factor(gain)} at most)" if gain >= 1.005 else ""


def _title(kind: Kind) -> str:
    family = family_of(kind)
    if kind in ("loader-bound", "step-bound", "start-up") or family in ("both", "unsure"):
        return kind
    return f"{family}-bound ({kind})"


def _described(facts: Facts) -> str:
    match facts:
        case LateFirstBatch(first_batch_s, epoch_s):
            return f"the first batch takes {first_batch_s:.2g} s, a whole epoch {epoch_s:.2g} s"
        case SlowEpochStarts(boundary_s):
            return f"each epoch begins with {ms(boundary_s)} of waiting"
        case LoaderCost() | StageCost():
            return _loader(facts)
        case LoadingCost():
            return _loading(facts)
        case StepCost(step_s, loader_ceiling, profile):
            inside = "" if profile is None else _inside(profile, step_s)
            return f"no loader can gain more than {factor(max(1.0, loader_ceiling))} here{inside}"
        case WideStall(low, high, likely):
            costs = f"loading costs between {max(0.0, low):.0%} and {min(1.0, high):.0%} of the time"
            return f"most likely {_title(likely)}, but {costs}"
        case Unexplained(rest_s, full_s, likely):
            return f"most likely {_title(likely)}, but {ms(rest_s)} of {ms(full_s)} a batch stay unexplained"
        case _:
            return _both(facts)


def _loader(facts: LoaderCost | StageCost) -> str:
    limit = f"no step can gain more than {factor(max(1.0, facts.step_ceiling))} here"
    if isinstance(facts, LoaderCost):
        return f"{ms(facts.loader_s)} of {ms(facts.full_s)} a batch; {limit}"
    stage, cost, full = STAGE_WORDS[facts.stage], facts.cost, ms(facts.full_s)
    if not facts.clear:
        return f"most likely {stage}: {ms(cost.mean)} +-{ms(cost.half or 0.0)} of {full}; {limit}"
    delay = ""
    if facts.delay_returned is not None:
        word = "comes back" if facts.confirmed else "does not come back: not confirmed"
        delay = f" (a delay put there {word}, {facts.delay_returned:.2f} of it)"
    return f"{stage} costs {ms(cost.mean)} of {full} a batch{delay}; {limit}"


def _loading(facts: LoadingCost) -> str:
    likely = "" if facts.clear else "most likely "
    half = "" if facts.clear or facts.cost.half is None else f" +-{ms(facts.cost.half)}"
    is_shared = facts.workers > 1 and facts.stage in ("fetch", "collate")
    shared = f", shared by {facts.workers} workers," if is_shared else ""
    rest_half = "" if facts.rest.half is None else f" +-{ms(facts.rest.half)}"
    return (
        f"{likely}{_LOADING_WORDS[facts.stage]} {ms(facts.cost.mean)}{half}{shared} of the loader's"
        f" {ms(facts.loader_s)} a batch, {ms(facts.rest.mean)}{rest_half} of which nothing explains;"
        f" no step can gain more than {factor(max(1.0, facts.step_ceiling))} here"
    )


def _both(facts: SlowedDown | SlowerThanTurns | TakingTurns | UnexplainedQueue) -> str:
    if isinstance(facts, UnexplainedQueue):
        return f"{ms(facts.rest_s)} a batch go where neither side alone explains it: a short queue and jitter"
    loader, step = ms(facts.loader_s), ms(facts.step_s)
    alone = f"the loader alone takes {loader}, the step {step}"
    if isinstance(facts, SlowedDown):
        return f"{alone}; beside each other the slower one takes {ms(facts.beside_s)}"
    if isinstance(facts, SlowerThanTurns):
        return f"{alone}, and both together {ms(facts.full_s)}: more than one after the other"
    turns = f"{loader} of loading and {step} of training take turns"
    if facts.slowdown is None:
        return turns
    more = f"{ms(facts.slowdown.mean)} +-{ms(facts.slowdown.half or 0.0)} more"
    return f"{turns}, or slow each other down: beside the loader a step takes {more}"


def _inside(profile: StepProfile, step_s: float) -> str:
    """What is in a step, as the end of a sentence; empty where nothing is known."""
    work = " ".join((*_counts(profile), *_rate(profile, step_s)))
    return "".join(f"; {phrase}" for phrase in (work, *python_phrases(profile)) if phrase)


def _counts(profile: StepProfile) -> Iterator[str]:
    waits = f", {profile.syncs_per_step:,.0f} waits for the device" if profile.syncs_per_step else ""
    if profile.kernels_per_step:
        yield f"{profile.kernels_per_step:,.0f} kernels a step{waits}"
    elif profile.operators_per_step:
        yield f"{profile.operators_per_step:,.0f} operators a step{waits}"


def _rate(profile: StepProfile, step_s: float) -> Iterator[str]:
    peak_share = profile.peak_share(step_s)
    if peak_share is not None:
        yield f"at {share(peak_share)} of {profile.dtype} peak"

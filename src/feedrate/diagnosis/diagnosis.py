"""Take a cell apart in several processes, and come to a verdict about why it is as fast as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from feedrate.diagnosis.attribution import attribute
from feedrate.diagnosis.batch_size_correction import Replicate, correct_for_batch_size
from feedrate.diagnosis.causes import Cause, causes_in
from feedrate.diagnosis.evidence import Evidence
from feedrate.diagnosis.symptom import Symptom
from feedrate.diagnosis.symptom_rules import symptoms_of
from feedrate.diagnosis.symptom_wording import advice_against, describe_symptom
from feedrate.diagnosis.thresholds import Thresholds
from feedrate.diagnosis.verdict import Verdict, no_verdict, verdict
from feedrate.errors import DataError, one_line
from feedrate.records.codec import decoded
from feedrate.records.format_number import FORMAT, format_of
from feedrate.records.jsonl import Decoder, Placed, Unreadable, placed_lines
from feedrate.records.ladder import Ladder
from feedrate.records.measurement import Failure, Measurement, Outcome
from feedrate.records.raw_results import OUTCOMES, demand_cell
from feedrate.records.request import AblationRequest
from feedrate.records.soak import Soak
from feedrate.records.validity import doubts, is_doubtful
from feedrate.runner.isolation import ReplicateSettings, take_apart
from feedrate.runner.script_command import ScriptCommand
from feedrate.runner.script_process import run_script
from feedrate.system.scratch import SHARED_MEMORY, Scratch

__all__ = [
    "Diagnosis",
    "competing_causes",
    "diagnose",
    "iter_replicates",
    "iter_script_replicates",
    "needs_another",
    "placed_records",
    "quick_diagnosis",
    "records",
    "soaked",
]


@dataclass(frozen=True)
class Diagnosis:
    """Replicates of one cell, each a process that measured the three times and took the cell apart."""

    measured: tuple[Measurement, ...]
    ladders: tuple[Ladder, ...]
    """One of each measurement, in the same order."""

    @classmethod
    def of(cls, replicates: Iterable[Replicate]) -> Diagnosis:
        """At least one replicate of one cell."""
        measured, ladders = zip(*replicates, strict=True)
        return cls(tuple(measured), tuple(ladders))

    @property
    def cell(self) -> str:
        """The cell's key."""
        return self.measured[0].cell

    @cached_property
    def replicates(self) -> tuple[Replicate, ...]:
        """Measurement and ladder of each, as if all batches had the mean size of an epoch's."""
        return correct_for_batch_size(tuple(zip(self.measured, self.ladders, strict=True)))

    @cached_property
    def standing(self) -> tuple[Replicate, ...]:
        """The replicates that are not doubtful; all of them where none is left."""
        standing = tuple(replicate for replicate in self.replicates if not is_doubtful(replicate[0]))
        return standing or self.replicates

    @property
    def evidence(self) -> Evidence:
        """What the replicates that stand say together."""
        # The step's inside and what competes are looked at in one process, and are the same whatever the machine does.
        facts = next((ladder.facts for ladder in self.ladders if ladder.facts), None)
        competition = next((ladder.competition for ladder in self.ladders if ladder.competition), None)
        places = next((ladder.places for ladder in self.ladders if ladder.places), {})
        return replace(attribute(self.standing), facts=facts, competition=competition, places=places)

    @property
    def verdict(self) -> Verdict:
        """What holds the cell back; where all replicates are doubtful, that there is no verdict, and why."""
        if not all(map(is_doubtful, self.measured)):
            return self.verdict_of_numbers
        reason = next(doubt for measurement in self.measured for doubt in doubts(measurement))
        count = len(self.measured)
        return no_verdict(f"{'its process is' if count == 1 else f'all {count} processes are'} doubtful: {reason}")

    @property
    def verdict_of_numbers(self) -> Verdict:
        """What the numbers say of the cell, doubtful or not."""
        return verdict(self.evidence)

    @property
    def soak(self) -> Soak | None:
        """Give how the loop went on for a while, of the first replicate that watched it; None: none did."""
        return next((ladder.soak for ladder in self.ladders if ladder.soak), None)

    @property
    def symptoms(self) -> tuple[Symptom, ...]:
        """List what gets worse, or comes now and then, beside what holds the cell back."""
        soaks = [ladder.soak for ladder in self.ladders if ladder.soak]
        return symptoms_of(*soaks) if soaks else ()

    def as_json(self) -> dict[str, object]:
        """One line of the raw results: the replicates, and what follows from them."""
        return {
            "kind": "diagnosis",
            "format": FORMAT,
            "cell": self.cell,
            "verdict": self.verdict.as_json(),
            "symptoms": [
                {**symptom.as_json(), "statement": describe_symptom(symptom), "advice": advice_against(symptom)}
                for symptom in self.symptoms
            ],
            "evidence": self.evidence.as_json(),
            "measured": [measurement.as_json() for measurement in self.measured],
            "ladders": [ladder.as_json() for ladder in self.ladders],
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, object]) -> Diagnosis:
        """The inverse of `as_json`; what follows from the replicates is worked out anew.

        Raises:
            DataError: a value is missing, of another type, or nothing that can be measured.
        """
        format_of(raw)
        raw_replicates = decoded(_Replicates, raw)
        if not raw_replicates.measured or len(raw_replicates.measured) != len(raw_replicates.ladders):
            raise DataError(
                f"it holds {len(raw_replicates.measured)} measurements and {len(raw_replicates.ladders)} ladders"
            )
        measured = tuple(Measurement.from_json(inner) for inner in raw_replicates.measured)
        if len({measurement.cell for measurement in measured}) > 1:
            raise DataError("its measurements are of several cells")
        return cls(measured, tuple(Ladder.from_json(inner) for inner in raw_replicates.ladders))


@dataclass(frozen=True)
class _Replicates:
    """What a line of `feedrate why` holds besides what follows from it."""

    measured: tuple[Mapping[str, object], ...]
    ladders: tuple[Mapping[str, object], ...]


def diagnose(
    cell: str,
    settings: ReplicateSettings,
    *,
    replicates: int = 3,
    most: int = 0,
    cold: bool = False,
) -> Diagnosis | Failure:
    """Take `cell`, as `str(Cell)` writes it, apart in so many fresh processes.

    `most`: go on up to so many while the verdict is not firm. `cold`: also measure one epoch with files that the page
    cache does not hold.
    The first replicate that fails is what comes back; nothing is left of the processes, whatever happens.
    """
    known: list[Replicate] = []
    for outcome in iter_replicates(cell, settings, replicates, most, cold=cold):
        if isinstance(outcome, Failure):
            return outcome
        known.append(outcome)
    return Diagnosis.of(known)


def quick_diagnosis(cell: str, settings: ReplicateSettings, *, stages: bool, facts: bool) -> Diagnosis | Failure:
    """Take `cell` apart in one fresh process, only as far as the kind of the verdict that is expected asks for.

    `stages`: tell the stages of loading apart, which a verdict about the loader names. `facts`: profile the step, which
    a verdict about the step needs.
    """
    with Scratch.made(SHARED_MEMORY) as memory:
        replicate = take_apart(cell, settings, AblationRequest(memory.folder, stages=stages, facts=facts))
    return replicate if isinstance(replicate, Failure) else Diagnosis.of([replicate])


def soaked(cell: str, settings: ReplicateSettings) -> Diagnosis | Failure:
    """Watch `cell` for a while in a fresh process, or two, without taking it apart; its symptoms tell what ails it."""
    known: list[Replicate] = []
    while _wants_soak(known):
        # The number keeps their logs apart, also from those of another call.
        number = 2 * settings.replicate + len(known)
        replicate = _watched_alone(cell, replace(settings, replicate=number), soak=True)
        if isinstance(replicate, Failure):
            return replicate
        known.append(replicate)
    return Diagnosis.of(known)


def _costs_nothing(known: Sequence[Replicate]) -> bool:
    """Whether loading is known to cost next to nothing, so that nobody asks which stage of it does."""
    highs = [measurement.loader_ceiling_high for measurement, _ in known if not is_doubtful(measurement)]
    limit = Thresholds.max_ratio_to_one_side
    return bool(highs) and all(high is not None and high <= limit for high in highs)


def _wants_soak(known: Sequence[Replicate]) -> bool:
    """Whether the next process is to be watched for a while: the first, and the second where the first drifted."""
    return not known or (len(known) == 1 and any(symptom.kind == "drift" for symptom in Diagnosis.of(known).symptoms))


def competing_causes(cell: str, settings: ReplicateSettings) -> tuple[Measurement, tuple[Cause, ...]] | Failure:
    """Measure `cell` in a fresh process, watch its threads without taking it apart, and tell what they do."""
    replicate = _watched_alone(cell, settings, competition=True)
    if isinstance(replicate, Failure):
        return replicate
    measurement, ladder = replicate
    return measurement, causes_in(ladder.competition, measurement.full_batch_mean_s)


def _watched_alone(
    cell: str, settings: ReplicateSettings, *, soak: bool = False, competition: bool = False
) -> Replicate | Failure:
    with Scratch.made(SHARED_MEMORY) as memory:
        request = AblationRequest(memory.folder, rungs=False, soak=soak, competition=competition)
        return take_apart(cell, settings, request)


def iter_replicates(
    cell: str,
    settings: ReplicateSettings,
    replicates: int,
    most: int = 0,
    *,
    cold: bool = False,
) -> Iterator[Replicate | Failure]:
    """Yield the replicates of `diagnose` as they come, each from a fresh process; a failure is the last."""

    def take(known: Sequence[Replicate]) -> Replicate | Failure:
        with Scratch.made(SHARED_MEMORY) as memory:
            # The step's inside and threads are the same in every process, and delays in any that stands.
            first, stands = not known, any(not is_doubtful(measurement) for measurement, _ in known)
            request = AblationRequest(
                memory.folder,
                cold=cold,
                facts=first,
                competition=first,
                stages=not _costs_nothing(known),
                details=not stands,
                soak=_wants_soak(known),
            )
            return take_apart(cell, replace(settings, replicate=len(known)), request)

    return _as_needed(take, replicates, most)


def iter_script_replicates(
    command: ScriptCommand,
    settings: ReplicateSettings,
    replicates: int,
    most: int = 0,
    begun: Callable[[], None] = lambda: None,
) -> Iterator[Replicate | Failure]:
    """Yield what runs of a person's own training gave, as `iter_replicates` does of a cell.

    `begun`: called in each run once its loop is known.
    """

    def take(known: Sequence[Replicate]) -> Replicate | Failure:
        how = replace(settings, replicate=len(known))
        run = run_script(command, how, profile=not known, soak=_wants_soak(known), parts=True, begun=begun)
        return run if isinstance(run, Failure) else (run.measurement, run.ladder or Ladder())

    return _as_needed(take, replicates, most)


def _as_needed(
    take: Callable[[Sequence[Replicate]], Replicate | Failure], replicates: int, most: int
) -> Iterator[Replicate | Failure]:
    replicates_so_far: list[Replicate] = []
    while needs_another(replicates_so_far, replicates, most):
        replicate = take(replicates_so_far)
        yield replicate
        if isinstance(replicate, Failure):
            return
        replicates_so_far.append(replicate)


def needs_another(known: Sequence[Replicate], replicates: int, most: int) -> bool:
    """Whether another replicate is wanted after these: there are too few, or they leave something unsure."""
    if len(known) < replicates:
        return True
    return len(known) < most and not Diagnosis.of(known).verdict.firm


def records(path: Path) -> Iterator[Outcome | Diagnosis | Unreadable]:
    """Yield what each line of a raw results file holds; raises like `feedrate.records.raw_results.read`."""
    for placed in placed_records(path):
        yield placed if isinstance(placed, Unreadable) else placed.record


def placed_records(path: Path) -> Iterator[Placed[Outcome | Diagnosis] | Unreadable]:
    """Yield what each line of a raw results file holds, beside the line; raises like `records`."""
    decoders: dict[str, Decoder[Outcome | Diagnosis]] = {**OUTCOMES, "diagnosis": _diagnosis}
    yield from placed_lines(path, decoders)


def _diagnosis(raw: Mapping[str, object]) -> Diagnosis:
    diagnosis = Diagnosis.from_json(raw)
    demand_cell(diagnosis.cell)
    try:
        _ = diagnosis.verdict, diagnosis.symptoms
    # Numbers that each may be and that contradict one another.
    except (ArithmeticError, ValueError, LookupError) as error:
        raise DataError(f"no verdict follows from it ({one_line(error)})") from None
    return diagnosis

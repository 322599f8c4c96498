"""Turn evidence into a verdict: a kind, one sentence with the numbers that say so, and the next thing to try."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from feedrate.diagnosis.advice import next_try, settings_to_try
from feedrate.diagnosis.causes import Cause
from feedrate.diagnosis.evidence import Evidence
from feedrate.diagnosis.finding import Facts, Family, Kind, family_of
from feedrate.diagnosis.rules import find
from feedrate.diagnosis.wording import promise, statement

__all__ = ["Family", "Kind", "Verdict", "no_verdict", "verdict"]


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
    facts: Facts | None = None
    """What the rule that decided found, seconds a batch."""
    causes: tuple[Cause, ...] = ()
    """What threads of the cell do to one another, beneath it."""
    settings: tuple[str, ...] = ()
    """Those of what to try that are one setting of a script's DataLoader, such as `num_workers=2`."""

    @property
    def advice(self) -> str:
        """The next thing to try, and what it can gain at most if that is worth a word."""
        return self.next_try + promise(self.gain_at_most)

    @property
    def family(self) -> Family:
        """Which side holds the cell back."""
        return family_of(self.kind)

    def as_json(self) -> dict[str, object]:
        """Plain values, as JSON can hold them."""
        values = asdict(self) | {"family": self.family}
        # Of a cell of feedrate's own there are none.
        return values if self.settings else {name: value for name, value in values.items() if name != "settings"}


def verdict(evidence: Evidence) -> Verdict:
    """What holds the cell back that `evidence` was measured of."""
    finding = find(evidence)
    holds, way = statement(finding), next_try(finding, evidence)
    gain = max(1.0, finding.gain) if way.startswith("try ") else 1.0
    sentence = f"{holds}: {way}{promise(gain)}"
    return Verdict(
        kind=finding.kind,
        sentence=sentence,
        next_try=way,
        gain_at_most=gain,
        numbers=_numbers(evidence),
        firm=finding.firm,
        statement=holds,
        facts=finding.facts,
        causes=finding.causes,
        settings=settings_to_try(finding, evidence),
    )


def no_verdict(reason: str) -> Verdict:
    """Say why nothing is said of a cell; a further replicate may do better."""
    statement, way = f"INVALID: no verdict rests on this: {reason}", "measure again when the machine is left alone"
    return Verdict("invalid", f"{statement}: {way}", way, 1.0, firm=False, statement=statement)


def _numbers(evidence: Evidence) -> dict[str, float]:
    """Every number that a sentence may stand on, by the name that it has in JSON."""
    numbers = {
        "step_s": evidence.step_s.mean,
        "loader_s": evidence.loader_s.mean,
        "full_s": evidence.full_s.mean,
        "loader_ceiling": evidence.loader_ceiling.mean,
        "step_ceiling": evidence.step_ceiling.mean,
        "overlap": evidence.overlap.mean,
        "first_batch_s": evidence.first_batch_s,
    }
    for name in ("contention_s", "coupling_s", "unexplained_s"):
        estimate = getattr(evidence, name)
        if estimate is not None:
            numbers[name] = estimate.mean
    numbers |= {f"{stage} part_s": cost.mean for stage, cost in evidence.parts.items()}
    numbers |= {f"{stage} slope": slope.mean for stage, slope in evidence.slopes.items()}
    peak_share = evidence.facts.peak_share(evidence.step_s.mean) if evidence.facts else None
    return numbers if peak_share is None else numbers | {"peak_share": peak_share}

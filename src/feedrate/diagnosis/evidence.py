"""Hold what was measured of a cell to tell what holds it back: times, their parts, facts about the step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, TypeAlias, get_args

from feedrate.records.cell_traits import CellTraits
from feedrate.records.code_place import CodePlace
from feedrate.records.codec import decoded, encoded, plain
from feedrate.records.competition import Competition
from feedrate.records.estimate import Estimate
from feedrate.records.step_profile import StepProfile

__all__ = ["STAGES", "Evidence", "LoadingPart", "LoadingStage", "Stage", "StagePart"]

Stage: TypeAlias = Literal["copy", "hand-over", "decode", "read warm", "read cold"]
STAGES: tuple[Stage, ...] = get_args(Stage)
"""The stages of loading from the step outwards; each is the difference of two rungs of the ladder."""


_JOINED = " + "
"""Between the names of stages that could not be told apart."""


@dataclass(frozen=True)
class StagePart:
    """What one stage of loading costs, or several neighbouring ones that could not be told apart."""

    stages: tuple[Stage, ...]
    """In the order of `STAGES`, at least one."""
    cost: Estimate
    """Seconds a batch."""

    @property
    def name(self) -> str:
        """The stages' names, as tables and JSON show them."""
        return _JOINED.join(self.stages)


LoadingStage: TypeAlias = Literal["fetch", "collate", "pin", "hand-over", "start-up"]
"""The parts of loading in a person's own script; the last is the beginning of each epoch, spread over its batches."""


@dataclass(frozen=True)
class LoadingPart:
    """What one part of loading takes of T_L, in a person's own script."""

    stage: LoadingStage
    cost: Estimate
    """Seconds a batch, as workers share it."""


@dataclass(frozen=True)
class Evidence:
    """Means over replicates, which are processes, with their intervals; seconds are seconds a batch of mean size."""

    step_s: Estimate
    """T_S: the step alone."""
    loader_s: Estimate
    """T_L: the loader alone."""
    full_s: Estimate
    """T_F: both together."""
    stall_s: Estimate
    """T_F - T_S, replicate by replicate: what loading costs the step."""
    stall_share: Estimate
    """1 - T_S / T_F, replicate by replicate."""
    loader_ceiling: Estimate
    """T_F / T_S."""
    step_ceiling: Estimate
    """T_F / T_L."""
    overlap: Estimate
    """(T_L + T_S - T_F) / min(T_L, T_S): 1 perfect, 0 one after the other."""
    replicates: int = 1
    stage_parts: tuple[StagePart, ...] = ()
    """Exposed seconds from the step outwards; a stage that was not measured is not there."""
    unexplained_s: Estimate | None = None
    """T_F - T_S less all parts: what the machine's drift between the two measurements comes to."""
    contention_s: Estimate | None = None
    """c_S: the step beside a loader paced at 1/T_F whose batches are dropped, less T_S. None: it works when asked."""
    loader_beside_s: Estimate | None = None
    """T_L': the loader drained beside a step paced at 1/T_F."""
    coupling_s: Estimate | None = None
    """k = T_F - max(T_L', T_S')."""
    slopes: Mapping[str, Estimate] = field(default_factory=dict)
    """dT_F/dd of a delay d a batch put into `read`, `decode`, `hand-over` or `step`: near 1 binds, near 0 is hidden."""
    readers: float = 1.0
    """How many processes or threads share the reading: a delay in a stage that they share comes back as 1/readers."""
    first_batch_s: float = 0.0
    """From opening the loader to its first batch."""
    boundary_s: float | None = None
    """Seconds that the first batch of an epoch takes longer than others; None: no epoch ended while it was timed."""
    epoch_batches: int = 1
    device: str = "cpu"
    traits: CellTraits = field(default_factory=CellTraits)
    facts: StepProfile | None = None
    resting_s: float = 0.0
    """Part of `unexplained_s`: what a stream that is open and rests costs the step, seconds a batch."""
    competition: Competition | None = None
    """What threads did to one another in the first replicate."""
    places: Mapping[str, tuple[CodePlace, ...]] = field(default_factory=dict)
    """Lines of a person's own script that its `loader` and its `step` were met at most often in the first replicate."""
    held_back_share: float = 0.0
    """Of the time that a script waits for batches: while workers had finished ones whose turn had not come."""
    loading_parts: tuple[LoadingPart, ...] = ()
    """What T_L of a person's own script is made of; empty: not measured."""
    loading_rest_s: Estimate | None = None
    """T_L less all of them: what nobody explains."""

    @cached_property
    def parts(self) -> Mapping[Stage, Estimate]:
        """Exposed seconds of each stage that could be told from the one before."""
        return {part.stages[0]: part.cost for part in self.stage_parts if len(part.stages) == 1}

    @cached_property
    def lumped(self) -> Mapping[str, Estimate]:
        """Exposed seconds of neighbouring stages that could not be told apart, by their joint name."""
        return {part.name: part.cost for part in self.stage_parts if len(part.stages) > 1}

    def as_json(self) -> dict[str, object]:
        """Plain values, as JSON can hold them, parts by the names of their stages; the rest stands in the ladders."""
        raw = encoded(self) | {"parts": plain(self.parts), "lumped": plain(self.lumped)}
        left_out = {"stage_parts", "traits", "competition", "resting_s"} | ({"places"} if not self.places else set())
        left_out |= set() if self.held_back_share else {"held_back_share"}
        left_out |= set() if self.loading_parts else {"loading_parts", "loading_rest_s"}
        # Of a profile that was taken before operators were timed.
        if isinstance(raw["facts"], dict) and raw["facts"]["operators_s"] is None:
            del raw["facts"]["operators_s"]
        return {key: value for key, value in raw.items() if key not in left_out}

    @classmethod
    def from_json(cls, raw: Mapping[str, object]) -> Evidence:
        """The inverse of `as_json`; keys that this version does not know are left out."""
        costs = decoded(_CostsByName, raw)
        named = {tuple(name.split(_JOINED)): cost for name, cost in {**costs.parts, **costs.lumped}.items()}
        in_order = sorted(named, key=lambda stages: [*STAGES, *stages].index(stages[0]))
        parts = [{"stages": stages, "cost": plain(named[stages])} for stages in in_order]
        return decoded(cls, {**raw, "stage_parts": parts})


@dataclass(frozen=True)
class _CostsByName:
    """The parts of evidence as JSON has them."""

    parts: Mapping[str, Estimate] = field(default_factory=dict)
    lumped: Mapping[str, Estimate] = field(default_factory=dict)

"""Find the best settings of a script's DataLoader, and a loader that beats them; prove both against the script."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from feedrate.api.comparison_result import ComparisonResult
from feedrate.api.halving import Halving
from feedrate.api.resources import Resources
from feedrate.api.results import CellError
from feedrate.api.scripts import measured_script
from feedrate.api.trying import against_own
from feedrate.api.tuning_result import TuningResult
from feedrate.comparison.comparison import ORDER, StoppingRule
from feedrate.records.measurement import Failure, Measurement, Outcome
from feedrate.records.validity import is_doubtful
from feedrate.report.progress import Progress, run_progress
from feedrate.runner.script_command import OWN, ScriptCommand
from feedrate.system.stopwatch import now_s

__all__ = ["Tuner", "candidates"]

_NOTHING_TO_GAIN = 1.05
"""T_F / T_S up to which no loader helps, with its interval."""
_LOOKS = 3
"""At the script as it is, at most: once more where a busy machine or a wide interval leaves that open."""
_MOST_WORKERS = 16
_PAIRS = 16
"""Of a winner and the script as it is."""
_WORTH_SAYING = 1.03
"""How many times the speed of torch's best setting one of feedrate's own loaders must have to be spoken of."""


def candidates(own: Measurement, cores: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Name what is tried beside the script's own: settings of torch's loader, and loaders of feedrate's in its place.

    The settings are none, and powers of two of workers that outlive epochs; the loaders have as many threads or workers
    as there are cores, and half as many. `own`: what was measured of the script as it is.
    """
    settings = own.observed.get("loader settings")
    workers = settings.get("num_workers", 0) if isinstance(settings, dict) else 0
    counts = sorted({1, cores, 2 * workers, *(2**power for power in range(5) if 2**power < cores)})
    some = [number for number in counts if 0 < number <= max(cores, workers, 1) and number <= _MOST_WORKERS]
    alive = [f"dataloader[num_workers={number},persistent_workers=true]" for number in some]
    deeper = [f"dataloader[num_workers={number},persistent_workers=true,prefetch_factor=4]" for number in some]
    few = sorted({min(number, _MOST_WORKERS) for number in (cores, max(1, cores // 2))})
    others = [f"{name}[count={number}]" for name in ("threads", "ring_workers") for number in few]
    return (*(["dataloader[num_workers=0]"] if workers else []), *alive, *deeper), tuple(others)


@dataclass
class Tuner:
    """Tunes one command, used once."""

    resources: Resources
    command: ScriptCommand
    budget_s: float
    memory_bytes: float | None = None
    """No setting whose processes take more is named; None: all that there is."""
    _outcomes: list[Outcome] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)
    _longest_s: float = 0.0
    """Of a run so far."""

    def tuned(self) -> TuningResult:
        """Halve the settings round by round, then compare the best with the script as it is.

        Raises:
            UsageError: there is no such program.
            CellError: the script gives nothing to time.
        """
        self.command.demand_program()
        self.resources.demand_places()
        start, raw = now_s(), self.resources.raw
        with run_progress(self.resources.caller.console, quiet=self.resources.settings.quiet) as progress:
            until = start + self.budget_s / 2
            own = self._own(progress, until)
            if isinstance(own, Failure):
                raise CellError(own)
            if _can_gain(own) is False:
                return TuningResult(tuple(self._outcomes), "", None, raw)
            halving = Halving(
                measure=lambda loader, to_go: self._measured(loader, progress, to_go),
                is_over=lambda: self._is_over(until),
                most_bytes=self.memory_bytes,
            )
            best, other = halving.best(candidates(own, len(os.sched_getaffinity(0))))
        if best and other and halving.speed(other) <= _WORTH_SAYING * halving.speed(best):
            other = ""
        left_s = self.budget_s - (now_s() - start)
        if best and left_s <= 2 * len(ORDER) * self._longest_s:
            other = ""
        # A round of the proof is five runs of each.
        winners = tuple(filter(None, (best, other)))
        proof = self._proof(winners, left_s) if winners and left_s > len(ORDER) * self._longest_s else None
        return TuningResult(tuple(self._outcomes), best, proof, raw, other)

    def _own(self, progress: Progress, until: float) -> Outcome:
        """Measure the script as it is, and again while it stays open whether a loader can gain anything."""
        for _ in range(_LOOKS):
            own = self._measured(OWN, progress, 1)
            if isinstance(own, Failure) or _can_gain(own) is not None or self._is_over(until):
                break
        return own

    def _is_over(self, until: float) -> bool:
        """Whether one more run could end later."""
        return now_s() + self._longest_s > until

    def _measured(self, loader: str, progress: Progress, to_go: int) -> Outcome:
        command = replace(self.command, loader=loader)
        progress.begin(str(command.cell), to_go)
        start = now_s()
        outcome = measured_script(self.resources, command, next(self._numbers))
        self._longest_s = max(self._longest_s, now_s() - start)
        self.resources.keep(outcome)
        self._outcomes.append(outcome)
        progress.end(outcome)
        return outcome

    def _proof(self, winners: Sequence[str], budget_s: float) -> ComparisonResult:
        rule = StoppingRule("full", 0.02, _PAIRS, max(1.0, budget_s))
        return against_own(self.resources, self.command, winners, rule, self._numbers)


def _can_gain(own: Measurement) -> bool | None:
    """Whether a loader can gain anything worth having in a script; None: this run of it leaves that open."""
    ceiling = own.loader_ratio()
    if is_doubtful(own):
        return None
    if (ceiling.high or own.loader_ceiling) <= _NOTHING_TO_GAIN:
        return False
    return True if (ceiling.low or own.loader_ceiling) > _NOTHING_TO_GAIN else None

"""Find the settings of a script's DataLoader that are best for it, and prove the gain against the script as it is."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from feedrate.api.comparing import run_comparisons
from feedrate.api.comparison_result import ComparisonResult
from feedrate.api.resources import Resources
from feedrate.api.results import CellError
from feedrate.api.scripts import measured_script, script_variant
from feedrate.api.tuning_result import TuningResult
from feedrate.comparison.comparison import ORDER, Comparison, StoppingRule
from feedrate.records.measurement import Failure, Measurement, Outcome
from feedrate.records.validity import is_doubtful
from feedrate.report.progress import Progress, run_progress
from feedrate.runner.script_command import OWN, ScriptCommand
from feedrate.system.stopwatch import now_s

__all__ = ["Tuner", "candidates"]

_NOTHING_TO_GAIN = 1.05
"""T_F / T_S up to which no loader helps, with its interval."""
_MOST_WORKERS = 16
_PAIRS = 16
"""Of the winner and the script as it is."""


def candidates(own: Measurement, cores: int) -> tuple[str, ...]:
    """Name the settings that are tried beside the script's own: none, and powers of two of workers that outlive epochs.

    `own`: what was measured of the script as it is.
    """
    settings = own.observed.get("loader settings")
    workers = settings.get("num_workers", 0) if isinstance(settings, dict) else 0
    counts = sorted({1, cores, 2 * workers, *(2**power for power in range(5) if 2**power < cores)})
    some = [number for number in counts if 0 < number <= max(cores, workers, 1) and number <= _MOST_WORKERS]
    alive = [f"dataloader[num_workers={number},persistent_workers=true]" for number in some]
    deeper = [f"dataloader[num_workers={number},persistent_workers=true,prefetch_factor=4]" for number in some]
    return (*(["dataloader[num_workers=0]"] if workers else []), *alive, *deeper)


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
            own = self._measured(OWN, progress, 1)
            if isinstance(own, Failure):
                raise CellError(own)
            ceiling = own.loader_ratio()
            if (ceiling.high or own.loader_ceiling) <= _NOTHING_TO_GAIN and not is_doubtful(own):
                return TuningResult(tuple(self._outcomes), "", None, raw)
            best = self._best(candidates(own, len(os.sched_getaffinity(0))), start, progress)
        left_s = self.budget_s - (now_s() - start)
        # A round of the proof is five runs.
        proof = self._proof(best, left_s) if best and left_s > len(ORDER) * self._longest_s else None
        return TuningResult(tuple(self._outcomes), best, proof, raw)

    def _best(self, settings: Sequence[str], start: float, progress: Progress) -> str:
        """Measure all that are left once more, and go on with the better half, until one is; empty: none could run.

        Half of the time is left for the proof; what was not measured when the other half is over is out.
        """
        until = start + self.budget_s / 2
        speeds: defaultdict[str, list[float]] = defaultdict(list)
        left = list(settings)
        while True:
            for place, loader in enumerate(tuple(left)):
                if speeds and now_s() + self._longest_s > until:
                    left = [known for known in left if known in speeds]
                    break
                outcome = self._measured(loader, progress, len(left) - place)
                if isinstance(outcome, Failure) or self._is_too_large(outcome):
                    left.remove(loader)
                else:
                    speeds[loader].append(outcome.samples_per_s)
            left.sort(key=lambda loader: -sum(speeds[loader]) / len(speeds[loader]))
            left = left[: -(-len(left) // 2)]
            if len(left) < 2 or now_s() + self._longest_s > until:
                return left[0] if left else ""

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

    def _is_too_large(self, outcome: Measurement) -> bool:
        peak = outcome.host_peak_bytes
        return self.memory_bytes is not None and peak is not None and peak > self.memory_bytes

    def _proof(self, best: str, budget_s: float) -> ComparisonResult:
        rule = StoppingRule("full", 0.02, _PAIRS, max(1.0, budget_s))
        own, winner = (
            script_variant(self.resources, replace(self.command, loader=loader), "", self._numbers)
            for loader in (OWN, best)
        )
        self.resources.comparisons = (Comparison(winner, own, own, rule),)
        run_comparisons(self.resources, rule)
        return ComparisonResult.of(self.resources.comparisons, self.resources.raw)

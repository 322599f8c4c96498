"""Find the fastest of many loaders of a script: all are measured, then the better half of them, until one is left."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from feedrate.records.cell_key import split_spec
from feedrate.records.measurement import Failure, Measurement, Outcome
from feedrate.runner.script_command import OWN

__all__ = ["Halving"]


@dataclass
class Halving:
    """Halves families of loaders side by side, used once."""

    measure: Callable[[str, int], Outcome]
    """Measures a loader once more, with so many measurements to come, this one among them."""
    is_over: Callable[[], bool]
    """Whether there is no time for one more."""
    most_bytes: float | None = None
    """Of memory that a loader's processes may take; None: all that there is."""
    _speeds: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def best(self, families: Sequence[Sequence[str]]) -> list[str]:
        """Give the fastest of each family; empty: none could run.

        What was not measured when the time is over is out.
        """
        left = [list(family) for family in families]
        while True:
            left = self._measured_once(left)
            left = [sorted(family, key=self.speed, reverse=True)[: -(-len(family) // 2)] for family in left]
            if all(len(family) < 2 for family in left) or self.is_over():
                return [family[0] if family else "" for family in left]

    def speed(self, loader: str) -> float:
        """Give the mean of its samples a second over all measurements; there must have been one."""
        return fmean(self._speeds[loader])

    def _measured_once(self, families: list[list[str]]) -> list[list[str]]:
        """Measure each, and give those that stay."""
        out: set[str] = set()
        names = [loader for family in families for loader in family]
        for place, loader in enumerate(names):
            if self._speeds and self.is_over():
                out |= {name for name in names if name not in self._speeds}
                break
            if loader in out:
                continue
            outcome = self.measure(loader, len(names) - place)
            if isinstance(outcome, Measurement) and not self._is_too_large(outcome):
                self._speeds[loader].append(outcome.samples_per_s)
            else:
                out |= _out_with(loader, outcome, names)
        return [[loader for loader in family if loader not in out] for family in families]

    def _is_too_large(self, outcome: Measurement) -> bool:
        peak = outcome.host_peak_bytes
        return self.most_bytes is not None and peak is not None and peak > self.most_bytes


def _out_with(loader: str, outcome: Outcome, names: Sequence[str]) -> set[str]:
    """Which are out with one that failed or is too large: of a loader that cannot take the script's place, all."""
    kind, _ = split_spec(loader)
    if kind == OWN or not (isinstance(outcome, Failure) and outcome.why == "unavailable"):
        return {loader}
    return {name for name in names if split_spec(name)[0] == kind}

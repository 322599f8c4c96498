"""The samples of a run, on disk: asv wants one number a benchmark, and seven benchmarks share each measurement.

A folder of asv's own (the working directory that `setup_cache` shares) lasts for one commit of one run. A folder given
in `FEEDRATE_MEMO` outlives the run: asv saves nothing before a commit is complete, so an interrupted run goes on here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from feedrate.asv.outcome import Outcome

__all__ = ["Memo"]

Measure = Callable[[str, int, Path], dict[str, object]]


@dataclass(frozen=True)
class Memo:
    """Samples by cell and replicate, and how many of them each metric has had in this run of asv."""

    folder: Path
    run: str
    measure: Measure
    """Called as `measure(cell, replicate, folder)` where no sample is kept yet."""

    def samples(self, cell: str, replicates: range) -> tuple[Outcome, ...]:
        """Give these samples of a cell, up to and with the first failure, which is not tried four times more."""
        found: list[Outcome] = []
        for replicate in replicates:
            found.append(self._sample(cell, replicate))
            if found[-1].kind:
                break
        return tuple(found)

    def served(self, cell: str, metric: str) -> int:
        """Count the samples this run of asv has had of a metric: rounds of one run each get samples of their own."""
        file = self._count(cell, metric)
        return int(file.read_text()) if file.exists() else 0

    def serve(self, cell: str, metric: str, until: int) -> None:
        """Note that samples below `until` have been given to this metric."""
        _write(self._count(cell, metric), str(until))

    def _sample(self, cell: str, replicate: int) -> Outcome:
        file = self.folder / "samples" / f"{_digest(cell)}-{replicate}.json"
        if not file.exists():
            work = self.folder / "work"
            work.mkdir(parents=True, exist_ok=True)
            _write(file, json.dumps(self.measure(cell, replicate, work)))
        return Outcome.read(json.loads(file.read_text()))

    def _count(self, cell: str, metric: str) -> Path:
        return self.folder / "served" / self.run / f"{_digest(cell)}-{metric}"


def _digest(cell: str) -> str:
    return hashlib.sha256(cell.encode()).hexdigest()[:24]


def _write(file: Path, text: str) -> None:
    # Renamed into place: an interrupt never leaves half a sample to be read as a whole one.
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".draft")
    draft.write_text(text)
    draft.replace(file)

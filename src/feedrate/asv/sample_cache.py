"""Keep the samples of a run on disk: asv wants one number a benchmark, and nine benchmarks share each measurement.

A folder of asv's own (the working directory that `setup_cache` shares) lasts for one commit of one run. A folder given
in `FEEDRATE_MEMO` outlives the run: asv saves nothing before a commit is complete, so an interrupted run goes on here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from feedrate.errors import DataError
from feedrate.records.atomic_write import replace_text
from feedrate.revisions.invoke import CellDocument

__all__ = ["Measure", "SampleCache"]

Measure = Callable[[str, int, Path], dict[str, object]]
"""(cell, replicate, folder for what is written) -> the document of the sample."""


@dataclass(frozen=True)
class SampleCache:
    """Samples by cell and replicate, and how many of them each metric has had in this run of asv."""

    folder: Path
    run: str
    measure: Measure
    """Called as `measure(cell, replicate, folder)` where no sample is kept yet."""

    def samples(self, cell: str, replicates: range) -> tuple[CellDocument, ...]:
        """Give these samples of a cell, up to and with the first failure, which is not tried four times more."""
        samples: list[CellDocument] = []
        for replicate in replicates:
            samples.append(self._sample(cell, replicate))
            if samples[-1].kind:
                break
        return tuple(samples)

    def holds(self, cell: str, replicates: range) -> bool:
        """Tell whether `samples` would give these without measuring any."""
        for replicate in replicates:
            kept = _kept(self._file(cell, replicate))
            if kept is None or kept.kind:
                return kept is not None
        return True

    def served(self, cell: str, metric: str) -> int:
        """Count the samples this run of asv has had of a metric: rounds of one run each get samples of their own.

        Raises:
            DataError: the count is torn. To take it for 0 would give one sample to asv twice.
        """
        file = self._count(cell, metric)
        try:
            text = file.read_bytes()
        except FileNotFoundError:
            return 0
        if not text.isdigit():
            raise DataError(f"{str(file)!r} is no count of samples: delete {str(self.folder)!r} and start asv again")
        return int(text)

    def serve(self, cell: str, metric: str, until: int) -> None:
        """Note that samples below `until` have been given to this metric."""
        _write(self._count(cell, metric), str(until))

    def _sample(self, cell: str, replicate: int) -> CellDocument:
        file = self._file(cell, replicate)
        kept = _kept(file)
        if kept is None:
            work = self.folder / "work"
            work.mkdir(parents=True, exist_ok=True)
            kept = CellDocument.read(self.measure(cell, replicate, work))
            _write(file, json.dumps(kept.document))
        return kept

    def _file(self, cell: str, replicate: int) -> Path:
        return self.folder / "samples" / f"{_digest(cell)}-{replicate}.json"

    def _count(self, cell: str, metric: str) -> Path:
        return self.folder / "served" / self.run / f"{_digest(cell)}-{metric}"


def _kept(file: Path) -> CellDocument | None:
    """Read the sample in a file; None where it is missing or torn, and so measured again."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    whole = isinstance(document, dict) and any(isinstance(document.get(key), dict) for key in ("metrics", "failure"))
    return CellDocument.read(document) if whole else None


def _digest(cell: str) -> str:
    return hashlib.sha256(cell.encode()).hexdigest()[:24]


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    replace_text(file, text)

"""Answer what asv asks for in one of its benchmarks: a metric of a cell, from samples that all metrics share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

from feedrate.asv.metrics import Metric
from feedrate.asv.sample_cache import Measure, SampleCache
from feedrate.asv.settings import AsvSettings
from feedrate.revisions.invoke import CellDocument, run_cell

__all__ = ["Answer", "Question", "Samples", "answer_from", "printable", "sample_cache"]

Samples: TypeAlias = "dict[str, object]"
"""What a benchmark gives asv."""


@dataclass(frozen=True)
class Answer:
    """Hold the samples of a metric, or one line that says why there are none."""

    values: tuple[float, ...] = ()
    absent: str = ""
    """Why it is n/a: the cell cannot run at this commit or on this machine, or has no such metric."""
    failed: str = ""
    """Why the cell failed."""
    log: str = ""
    """Of a failure: the path of what its processes wrote; empty: nothing."""

    def demanded(self) -> Samples:
        """Give the samples to asv, in its own process.

        Raises:
            SkipNotImplemented: there is no such number here: n/a.
            SystemExit: the cell failed.
        """
        # asv's own interpreter has it loaded; the parts of feedrate that import this module need not have asv at all.
        from asv_runner.benchmarks.mark import SkipNotImplemented

        if self.absent:
            raise SkipNotImplemented(self.absent)
        if self.failed:
            raise SystemExit(self.failed)
        return self.document

    @property
    def document(self) -> Samples:
        """Give the samples in the shape of which asv keeps median, interval and samples: of a number it keeps none."""
        return {"samples": list(self.values), "number": 1}


@dataclass(frozen=True)
class Question:
    """Name what asv asks for."""

    metric: Metric
    workload: str
    loader: str
    step: str

    def answer(self, settings: AsvSettings, folder: Path, measure: Measure | None = None) -> Answer:
        """Give the metric's next samples, measured where none are kept; `folder` is asv's working directory.

        `measure` measures a sample; None: a process of the commit does, started for it.

        Raises:
            DataError: the count of samples is torn, or a sample is not a finite number.
        """
        cell = self._cell(settings)
        cache = sample_cache(settings, folder, measure or partial(run_cell, settings.invocation))
        return answer_from(cache, cell, self.metric, settings.replicates)

    def is_measured(self, settings: AsvSettings, folder: Path) -> bool:
        """Tell whether `answer` has nothing left to measure; raises like it."""
        cell = self._cell(settings)
        cache = sample_cache(settings, folder, partial(run_cell, settings.invocation))
        return cache.holds(cell, _replicates(cache, cell, self.metric, settings.replicates))

    def _cell(self, settings: AsvSettings) -> str:
        return settings.cell(self.workload, self.loader, self.step)


def answer_from(cache: SampleCache, cell: str, metric: Metric, count: int) -> Answer:
    """Give the next `count` samples of a metric, measured where none are kept.

    Raises:
        DataError: the count of samples is torn, or a sample is not a finite number.
    """
    replicates = _replicates(cache, cell, metric, count)
    answer = _answer(cell, metric, cache.samples(cell, replicates))
    if answer.values:
        cache.serve(cell, metric.name, replicates.stop)
    return answer


def _replicates(cache: SampleCache, cell: str, metric: Metric, count: int) -> range:
    first = cache.served(cell, metric.name)
    return range(first, first + count)


def _answer(cell: str, metric: Metric, samples: tuple[CellDocument, ...]) -> Answer:
    last = samples[-1]
    if last.kind == "unavailable":
        return Answer(absent=printable(f"{cell}: {last.reason}"))
    if last.kind:
        return Answer(failed=printable(f"{cell}: {last.kind}: {last.reason}"), log=last.log)
    values = [metric.value(each.metrics) for each in samples]
    if None in values:
        return Answer(absent=f"{cell} has no {metric.name}")
    return Answer(tuple(value for value in values if value is not None))


def printable(text: str) -> str:
    """Escape what asv would print as it is: one line, whatever a plugin's reason holds."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def sample_cache(settings: AsvSettings, folder: Path, measure: Measure) -> SampleCache:
    """Open the samples of a commit; `folder` is asv's working directory, `measure` is asked for what is not kept."""
    kept = settings.memo / settings.commit / settings.environment if settings.memo else folder
    return SampleCache(kept, settings.run, measure)

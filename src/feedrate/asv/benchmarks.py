"""Make asv's benchmarks from the matrix: a class per workload, a `track_` method per metric.

asv runs these in a fresh interpreter for each cell that it measures: nothing heavy is imported here. They
are the classes of the feedrate that drives asv, whatever the commit under test holds; that one is only asked over its
command line.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from feedrate.asv.matrix import Matrix, class_name
from feedrate.asv.metrics import METRICS, Metric
from feedrate.asv.question import Question, Samples, printable
from feedrate.asv.settings import AsvSettings
from feedrate.errors import DataError, FeedrateError

__all__ = ["Feed", "classes"]


class Feed:
    """Share what the classes of all workloads do. asv makes one per benchmark and asks for one cell."""

    workload: str
    params: tuple[tuple[str, ...], ...]
    param_names = ("loader", "step")

    def setup_cache(self) -> None:
        """Do nothing, once: it gives all benchmarks of a commit one working directory, where the sample cache lies."""

    def samples(self, metric: Metric, loader: str, step: str) -> Samples:
        """Give asv this metric's samples of a cell, measured at most once for all metrics.

        Raises:
            SkipNotImplemented: the cell is absent at this commit or on this machine, or does not have this metric: n/a.
            SystemExit: the cell failed. Of anything else asv would show a page of traceback through its own code;
                the reason is kept in `results/raw`, asv itself keeps only a null.
        """
        try:
            return self._samples(metric, loader, step)
        except (FeedrateError, OSError) as error:
            raise SystemExit(printable(f"{self.workload}/{loader}/{step}: {error}")) from error

    def _samples(self, metric: Metric, loader: str, step: str) -> Samples:
        question = Question(metric, self.workload, loader, step)
        return question.answer(AsvSettings.read(os.environ), Path.cwd()).demanded()


def classes(file: Path) -> dict[str, type[Feed]]:
    """Make the classes of a matrix file, by name: the benchmark module puts them among its globals.

    Raises:
        DataError: two workloads would share a class, and so a history.
    """
    matrix = Matrix.load(file)
    by_name = {
        class_name(workload): _feed(workload, version, matrix)
        for workload, version in zip(matrix.names.workloads, matrix.versions, strict=True)
    }
    if len(by_name) < len(matrix.names.workloads):
        raise DataError(f"{str(file)!r} has two workloads of one class name among {list(by_name)}: rename one of them")
    return by_name


def _feed(workload: str, version: str, matrix: Matrix) -> type[Feed]:
    methods = {f"track_{metric.name}": _track(metric, workload) for metric in METRICS}
    # The version is set by hand: asv's own is a hash of source text, and a comment would drop the history.
    fixed = {
        "workload": workload,
        "version": version,
        "params": (matrix.names.loaders, matrix.names.steps),
        "timeout": AsvSettings.read(os.environ).silence_s,
    }
    return type(class_name(workload), (Feed,), {**fixed, **methods})


def _track(metric: Metric, workload: str) -> Callable[[Feed, str, str], Samples]:
    def track(self: Feed, loader: str, step: str) -> Samples:
        return self.samples(metric, loader, step)

    metric.describe(track, workload)
    return track

"""Answer asv without its process for each metric of each cell, which would import for a while and then ask the same."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from feedrate.asv.matrix import Matrix, class_name
from feedrate.asv.metrics import METRICS
from feedrate.asv.question import Answer, Question
from feedrate.asv.sample_cache import Measure
from feedrate.asv.settings import AsvSettings
from feedrate.errors import FeedrateError

__all__ = ["DirectAnswer"]

_MODULE, _MATRIX = "feed", "matrix.json"
"""The module that asv finds in `benchmarks/`, and the file beside it that its classes are made of."""
_BENCHMARK = re.compile(rf"{_MODULE}\.(?P<workload>\w+)\.track_(?P<metric>\w+)-(?P<index>\d+)")
"""asv's name for a metric of a cell."""
_NO_PROFILE = "None"


@dataclass(frozen=True)
class DirectAnswer:
    """Hold an answer, and what a process of asv's that gives it would leave behind."""

    answer: Answer

    @classmethod
    def of(
        cls,
        command: Sequence[str],
        environ: Mapping[str, str],
        folder: Path | None,
        measure_for: Callable[[AsvSettings, Path], Measure | None],
    ) -> DirectAnswer | None:
        """Answer the command with which asv would start a process for a metric of a cell, and write its file.

        `folder` is where asv would start it. `measure_for` is asked how to measure where something is left to be.
        None: it is another command, nobody here can measure, or something is wrong of which asv's process tells.
        """
        if folder is None or len(command) != 7 or command[1] != "run" or command[5] != _NO_PROFILE:
            return None
        _, _, benchmarks, name, _, _, file = command
        try:
            question = _question(Path(benchmarks), name)
            settings = AsvSettings.read(environ)
            if question is None:
                return None
            measure = None
            if not question.is_measured(settings, folder):
                measure = measure_for(settings, folder)
                if measure is None:
                    return None
            direct = cls(question.answer(settings, folder, measure))
            direct._write(Path(file))
        except (FeedrateError, OSError):
            return None
        return direct

    @property
    def outcome(self) -> tuple[str, str, int]:
        """Give what asv is told of a process that has ended: its output, nothing, and its exit status."""
        failed = self.answer.failed
        return (f"{failed}\n", "", 1) if failed else ("", "", 0)

    def _write(self, file: Path) -> None:
        # Of a process that fails asv reads no file.
        if not self.answer.failed:
            file.write_text(json.dumps(math.nan if self.answer.absent else self.answer.document))


def _question(benchmarks: Path, name: str) -> Question | None:
    """Read asv's name for a metric of a cell; None: it is none of ours."""
    match = _BENCHMARK.fullmatch(name)
    metric = next((metric for metric in METRICS if match and metric.name == match["metric"]), None)
    if match is None or metric is None:
        return None
    names = Matrix.load(benchmarks / _MATRIX).names
    workload = next((workload for workload in names.workloads if class_name(workload) == match["workload"]), None)
    cells = [(loader, step) for loader in names.loaders for step in names.steps]
    index = int(match["index"])
    return None if workload is None or index >= len(cells) else Question(metric, workload, *cells[index])

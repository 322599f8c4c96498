"""Benchmarks of a person's own training: what `benchmarks/training.py` of their repository gets from feedrate.

asv runs them in a fresh interpreter for each metric: nothing heavy is imported here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from feedrate.asv.metrics import METRICS, Metric
from feedrate.asv.question import Answer, Samples, answer_from, printable, sample_cache
from feedrate.asv.settings import AsvSettings
from feedrate.errors import FeedrateError, UsageError
from feedrate.runner.capped_log import last_lines
from feedrate.runner.script_command import ScriptCommand

if TYPE_CHECKING:
    from typing import Self

    from feedrate.runner.isolation import ReplicateSettings

__all__ = ["ENVIRONMENT", "TrainingBenchmark"]

ENVIRONMENT = "feedrate-training"
"""asv's `environment_type` for it."""


class TrainingBenchmark:
    """Have asv measure a training at each commit: a subclass in its folder of benchmarks says which.

    Nine numbers come of it, all from the same runs of the command: as many as FEEDRATE_REPLICATES says, 5 unless it is
    set. Each runs the commit's own code over the environment that is there, beside the files that git does not know.
    """

    command: ClassVar[str] = ""
    """The command that trains, as it is typed."""
    folder: ClassVar[str] = "."
    """Where it is typed, seen from the folder of `asv.conf.json`."""
    seconds: ClassVar[float] = 0.4
    """Aim of each of the three times."""
    version: ClassVar[str]
    """asv begins a new history where it changes: command and folder, unless the class says otherwise."""
    timeout: ClassVar[float]
    """Seconds that asv waits for a word."""

    def __init_subclass__(cls) -> None:
        """Add a benchmark for each metric.

        Raises:
            SystemExit: the class names no command, or a setting is none. Of anything else asv would show a page of
                traceback.
        """
        try:
            cls.timeout = AsvSettings.read(os.environ).silence_s
            command = ScriptCommand.typed(cls.command)
            if not command.words:
                raise UsageError(f"{cls.__name__} has no command; give it the one that trains, as you type it")
        except FeedrateError as error:
            raise SystemExit(f"feedrate: {error}") from error
        cls.version = vars(cls).get("version", cls._name())
        for metric in METRICS:
            track = _track(metric)
            metric.describe(track, command.cell.workload)
            setattr(cls, f"track_{metric.name}", track)

    @classmethod
    def _name(cls) -> str:
        """Name what is measured; two classes of one name share their samples."""
        return cls.command if cls.folder == "." else f"{cls.command} in {cls.folder}"

    def setup_cache(self) -> None:
        """Do nothing, once: it gives all benchmarks of a commit one working directory, where the sample cache lies."""

    def samples(self, metric: Metric) -> Samples:
        """Give asv this metric's samples at a commit, measured at most once for all metrics.

        Raises:
            SkipNotImplemented: there is no such number here, as of the memory of a GPU: n/a.
            SystemExit: the command failed; of the metric that it was run for, the text begins with its last lines.
        """
        try:
            return self._answer(metric).demanded()
        except (FeedrateError, OSError) as error:
            raise SystemExit(printable(f"{self._name()}: {error}")) from error

    def _answer(self, metric: Metric) -> Answer:
        if os.environ.get("ASV_ENV_TYPE") != ENVIRONMENT:
            raise UsageError(
                f'asv runs it without a commit; leave -E and --python out, and "environment_type": "{ENVIRONMENT}" in'
                " asv.conf.json"
            )
        settings = AsvSettings.read(os.environ)
        command = replace(ScriptCommand.typed(self.command), folder=settings.configuration / self.folder)
        command.demand_program()
        with _CommitRunner(command, settings, self.seconds) as runner:
            cache = sample_cache(settings, Path.cwd(), runner.measure)
            answer = answer_from(cache, self._name(), metric, settings.replicates)
            # Once for all metrics of a commit is enough.
            lines = last_lines(answer.log) if runner.has_run else ()
        return replace(answer, failed="\n".join((*map(printable, lines), answer.failed)))


def _track(metric: Metric) -> Callable[[TrainingBenchmark], Samples]:
    def track(self: TrainingBenchmark) -> Samples:
        return self.samples(metric)

    return track


class _CommitRunner:
    """Measures a command at a commit; the folder with its code is made when it is first asked, and gone on leaving."""

    def __init__(self, command: ScriptCommand, settings: AsvSettings, seconds: float) -> None:
        """`command`: as it is typed now, in its folder of the repository."""
        self._command, self._settings, self._seconds = command, settings, seconds
        self.has_run = False
        """Whether it was asked."""
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ended: object) -> None:
        self._opened.close()

    def measure(self, name: str, replicate: int, work: Path) -> dict[str, object]:
        """Run the command once, keep what comes of it among the raw results, and give it as a document."""
        from feedrate.records.document import document
        from feedrate.records.raw_results import append
        from feedrate.runner.outcome import Replicate
        from feedrate.runner.script_process import run_script

        del name, work
        self.has_run = True
        run = run_script(self._at_commit, replace(self._replicate_settings, replicate=replicate))
        outcome = run.measurement if isinstance(run, Replicate) else run
        append(self._settings.raw / f"{self._settings.run_name}.jsonl", outcome)
        return document(outcome)

    @cached_property
    def _at_commit(self) -> ScriptCommand:
        from feedrate.revisions.script_tree import tree_at

        folder = self._command.folder or Path()
        return replace(self._command, folder=self._opened.enter_context(tree_at(self._settings.commit, folder)))

    @cached_property
    def _replicate_settings(self) -> ReplicateSettings:
        from feedrate.runner.isolation import ReplicateSettings
        from feedrate.system.environment import snapshot

        settings, folder = self._settings, self._at_commit.folder or Path()
        return ReplicateSettings(
            data=folder,
            # Of another commit there is a log of the same name.
            logs=settings.logs / settings.commit[:8],
            run=settings.run_name,
            seconds=self._seconds,
            timeout_s=settings.deadline_s,
            environment=snapshot(os.environ, folder),
        )

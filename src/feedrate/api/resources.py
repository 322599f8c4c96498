"""Share what the measurements of a session have in common: registry, fork server, folders, and the raw results."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from feedrate.api.datasets import demand_batches, ensure
from feedrate.api.file_patterns import matching
from feedrate.api.places import Place, demand_folder, demand_writable
from feedrate.api.settings import NAMED, RANDOM, Caller, Settings
from feedrate.api.unread_variables import unread_variables
from feedrate.data.own.table import OwnTable
from feedrate.plugin.files_workload import FilesWorkload
from feedrate.plugin.registry import Registry
from feedrate.records.raw_results import append
from feedrate.records.request import SECONDS, TURNS, OwnFiles
from feedrate.runner.forkserver import ForkServer
from feedrate.runner.schedule import Run
from feedrate.system.environment import snapshot

if TYPE_CHECKING:
    from feedrate.api.study_result import StudyProgress
    from feedrate.calibration.calibrate import CaseResult
    from feedrate.comparison.comparison import Comparison
    from feedrate.diagnosis.diagnosis import Diagnosis
    from feedrate.plugin.workload import SizedWorkload
    from feedrate.records.measurement import Outcome
    from feedrate.records.raw_results import Line
    from feedrate.runner.isolation import ReplicateSettings

__all__ = ["Resources"]

_EPOCH_START_S = 10.0
"""Longest that a process drains and trains to meet the beginning of an epoch, where that is asked for."""


class Resources:
    """What a session opens once, and what has come of it so far."""

    def __init__(self, settings: Settings, caller: Caller) -> None:
        """Nothing is opened yet."""
        self.settings, self.caller = settings, caller
        self.outcomes: list[Outcome | Diagnosis] = []
        """What was measured so far, in that order."""
        self.comparisons: tuple[Comparison, ...] = ()
        """Those that were begun last, with what was measured so far."""
        self.trials: tuple[Comparison, ...] = ()
        """What was advised for the training that was diagnosed last, and tried, so far."""
        self.study: StudyProgress | None = None
        """The study that was begun last, so far."""
        self.stage: str | None = None
        """Which stage of loading moved since a commit, in words, as far as it was asked."""
        self.answers: list[CaseResult] = []
        """Those of the calibration that was begun last, so far."""
        self._opened = ExitStack()
        self._fork_server: ForkServer | None = None
        self._complained = False

    def close(self) -> None:
        """End the fork server; whoever asks for it again gets another one."""
        self._fork_server = None
        self._opened.close()

    @property
    def fork_server(self) -> ForkServer:
        """Where processes for the CPU are forked: the one that the caller's environment names, or our own."""
        if self._fork_server is None:
            self._fork_server = self._opened.enter_context(ForkServer.opened(self.caller.environ))
        return self._fork_server

    @cached_property
    def registry(self) -> Registry:
        """What there is to measure, own files among it.

        Raises:
            PluginError: a plugin file cannot be imported.
            UsageError, DataError: see `own_files`.
        """
        registry = Registry.load(self.settings.plugins)
        return registry if self.own_files is None else registry.offering(self.own_files)

    @cached_property
    def own_files(self) -> FilesWorkload | None:
        """The workload that the settings' files make; None: they name none.

        Raises:
            UsageError: a pattern matches nothing.
            DataError: a file cannot be read, or they make no table.
        """
        settings = self.settings
        if not settings.files:
            return None
        return FilesWorkload(OwnTable.of(matching(settings.files), settings.columns))

    @cached_property
    def environment(self) -> dict[str, object]:
        """The snapshot of this machine that stands in every record, and the file that settings were read from."""
        config = self.caller.config
        return snapshot(self.caller.environ) | ({} if config is None else {"config": dict(config)})

    @cached_property
    def order_seed(self) -> int | None:
        """What the order of cells follows from: the settings' number, or one that is drawn; None: they say `named`."""
        order = self.settings.order
        if order == NAMED:
            return None
        return secrets.randbelow(1 << 32) if order == RANDOM else int(order)

    @property
    def raw(self) -> Path | None:
        """The file of raw results; None: there is none."""
        folder = self.settings.results
        return None if folder is None else folder / f"{self.caller.run}.jsonl"

    @cached_property
    def run(self) -> Run:
        """The order of measurements, each in a fresh process."""
        from feedrate.runner.isolation import measure

        started = datetime.now(UTC).isoformat(timespec="seconds")
        return Run(
            *(self.caller.run, started, self.environment),
            lambda cell, number: measure(cell, replace(self.replicate_settings, replicate=number)),
        )

    @property
    def replicate_settings(self) -> ReplicateSettings:
        """How a fresh process measures, as the settings say."""
        from feedrate.runner.isolation import ReplicateSettings

        settings, own, turns = self.settings, self.own_files, self.caller.environ.get(TURNS)
        return ReplicateSettings(
            data=settings.data.resolve(),
            logs=settings.logs.resolve(),
            run=self.caller.run,
            seconds=settings.seconds or SECONDS,
            timeout_s=settings.deadline_s,
            plugin_files=tuple(file.resolve() for file in settings.plugins),
            own_files=None if own is None else OwnFiles(own.table.paths, own.table.columns),
            safe=settings.safe,
            threads=settings.threads,
            pools=settings.pools,
            turns=Path(turns) if turns else None,
            epoch_start_s=_EPOCH_START_S if settings.epoch_starts else 0.0,
            environment=self.environment,
            fork_server=self.fork_server,
        )

    def complain(self) -> None:
        """Say once which plugins could not be imported, and what of the user's own files and variables nobody reads."""
        if self._complained:
            return
        self._complained = True
        remark = "" if self.own_files is None else self.own_files.table.remark
        for line in filter(None, (*self.registry.broken, remark, *unread_variables(self.caller.environ, Path.cwd()))):
            self.caller.console.print(f"feedrate: {line}", soft_wrap=True)

    def demand_places(self, *others: Place, out: Path | None = None) -> None:
        """Try all folders that are read and written; see `demand_writable` for what is raised."""
        settings, prefix = self.settings, self.caller.prefix
        demand_folder(f"{prefix}data", settings.data)
        results = [] if settings.results is None else [Place(f"{prefix}results", settings.results)]
        demand_writable([*results, Place(f"{prefix}logs", settings.logs), *others], out)

    def make_data(self, recipes: Iterable[SizedWorkload]) -> None:
        """Make the data sets that are missing or stale.

        Raises:
            UsageError: a workload makes no batches as its knobs are set.
            DataError: see `ensure`.
        """
        wanted = list(recipes)
        for recipe in wanted:
            demand_batches(recipe)
        names = {recipe.folder_name: recipe for recipe in wanted}
        settings, says = self.settings, f"{self.caller.prefix}data"
        ensure(names.values(), settings.data, self.caller.console, quiet=settings.quiet, says=says)

    def keep(self, record: Outcome | Diagnosis) -> None:
        """Add a record to `outcomes`, and to the raw results."""
        # First: what cannot be written down is shown all the same.
        self.outcomes.append(record)
        self.write(record)

    def write(self, record: Line) -> None:
        """Add a record to the raw results alone."""
        if self.raw is not None:
            append(self.raw, record)

"""Open and close what all questions of a session share: settings, plugins, one fork server, one file of raw results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack

from feedrate.api.cells import cell_of
from feedrate.api.resources import Resources
from feedrate.api.session_results import SessionResults
from feedrate.api.settings import RANDOM, Caller, CellParts, Settings
from feedrate.plugin.cell import Cell
from feedrate.plugin.files_workload import FilesWorkload
from feedrate.plugin.plugin_files import chosen_files

__all__ = ["OpenSession"]


class OpenSession(SessionResults):
    """Keeps what a session needs to measure, from its settings to its fork server; a context manager."""

    def __init__(
        self,
        *,
        data: Path | str = "data",
        results: Path | str | None = "results/raw",
        logs: Path | str = "logs",
        plugins: Iterable[Path | str] | Path | str = (),
        seconds: float | None = None,
        threads: int | None = None,
        pools: Mapping[str, int] | None = None,
        deadline_s: float = 600.0,
        safe: bool = False,
        safe_retry: bool = False,
        oom: str = "result",
        order: str | int = RANDOM,
        epoch_starts: bool = False,
        quiet: bool = False,
        files: Iterable[Path | str] | Path | str = (),
        columns: Iterable[str] = (),
        caller: Caller | None = None,
    ) -> None:
        """Nothing is measured, read or written yet.

        Args:
            data: Folder of the data sets; one that is missing or stale is made.
            results: Folder for a file of raw results, a line of JSON an outcome; None: nothing is written down.
            logs: Folder for what the processes write to standard error.
            plugins: Python files that offer strategies, besides the installed ones; or folders and patterns of them.
            seconds: Aim of each time that is measured; None: 0.4, and 2 where cells are compared.
            threads: Cap of every thread pool of a measured process; None: the cores that this process may use.
            pools: Caps of single thread pools over that: OMP (torch's, and Arrow's unless ARROW is there), MKL,
                OPENBLAS, NUMEXPR, ARROW, ARROW_IO, POLARS, RAYON. Worker processes have one thread a pool all the same.
            deadline_s: Longest that a process may take, seconds.
            safe: Loaders start no worker processes: their cells are those of `workers[count=0]` and the like.
            safe_retry: Where a loader with worker processes fails, it is also measured without them, as another cell.
            oom: What becomes of a cell that is measured and runs out of memory. `result`: that is its outcome;
                `ladder`: forms of it that need less are measured besides, each as another cell, until one runs.
            order: Of the loaders of a step, which are measured in `random` order in each round, or as they are `named`,
                or in the order that followed from a number, the `order_seed` of earlier records.
            epoch_starts: Where no window of a cell that is measured meets the beginning of an epoch, spend up to 10 s
                on meeting one, so that a projection (`Results.projected`) has it.
            quiet: Show no progress; it goes to standard error.
            files: Files of your own, or patterns such as `data/*.parquet`: they become a workload, `own_files`. They
                are read where they lie, and nothing is written beside them.
            columns: Those of `files` that are read; none: all that can be tensors.
            caller: For programs that are a front themselves, as the command line is.

        Raises:
            UsageError: a number is not positive, or `oom` or `order` is none of these, or there is no such pool, or no
                plugin in a folder, or none that matches a pattern.
        """
        settings = Settings(
            data=Path(data),
            results=None if results is None else Path(results),
            logs=Path(logs),
            plugins=chosen_files([plugins] if isinstance(plugins, str | Path) else plugins),
            seconds=seconds,
            threads=threads,
            pools=dict(pools or {}),
            deadline_s=deadline_s,
            safe=safe,
            safe_retry=safe_retry,
            oom=oom,
            order=order,
            epoch_starts=epoch_starts,
            quiet=quiet,
            files=tuple(map(str, [files] if isinstance(files, str | Path) else files)),
            columns=tuple(columns),
        )
        self.resources = Resources(settings, caller or Caller.python())

    def __enter__(self) -> Self:
        # At once: it removes what killed runs left, whatever comes of this one.
        _ = self.resources.fork_server
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the fork server; a later call starts another one."""
        self.resources.close()

    def prepare(self, cells: Iterable[Cell]) -> None:
        """Try all folders and make all data sets now, so that none is made between two measurements.

        Raises:
            UsageError: a folder cannot be written to.
        """
        from feedrate.api.diagnosing import demand_places

        demand_places(self.resources)
        self.resources.make_data(cell.recipe for cell in cells if not cell.unmet_needs)

    @property
    def own_files(self) -> FilesWorkload | None:
        """The files that the session was given, as a workload; None: it was given none.

        Raises:
            UsageError: a pattern matches nothing.
            DataError: a file cannot be read, or they make no table.
        """
        return self.resources.own_files

    def cell(self, cell: Cell | str | None = None, **parts: Unpack[CellParts]) -> Cell:
        """Give the cell that `measure` means by these; raises like it."""
        return self.resources.settings.started(cell_of(cell, parts, self.resources.registry))

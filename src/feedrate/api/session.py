"""Measure, diagnose, compare and calibrate in one session: one run name, one fork server, one file of raw results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, Unpack

from feedrate.api.calibration_result import CalibrationResult
from feedrate.api.cells import device_or_default, size_or_default
from feedrate.api.comparison_result import ComparisonResult
from feedrate.api.diagnosis_result import DiagnosisResult
from feedrate.api.measuring import AGAIN_S, measured, measured_again
from feedrate.api.open_session import OpenSession
from feedrate.api.results import Results
from feedrate.api.selection import Selection
from feedrate.api.settings import CellParts, demand_count
from feedrate.errors import UsageError
from feedrate.plugin.cell import Cell
from feedrate.plugin.loader import Loader
from feedrate.plugin.step import Step
from feedrate.plugin.strategy import Strategy
from feedrate.plugin.workload import Workload

if TYPE_CHECKING:
    from feedrate.api.changing import ChangeResult
    from feedrate.api.resolved import Origins, ResolvedRun
    from feedrate.api.sizing import SizingResult
    from feedrate.api.study_result import StudyResult
    from feedrate.api.tuning_result import TuningResult
    from feedrate.records.measurement import Outcome

__all__ = ["Session"]

S = TypeVar("S", bound=Strategy)


class Session(OpenSession):
    """Measures cells in fresh processes, all of them under one run name and from one fork server.

    A context manager; a notebook may as well keep one open over its cells and `close()` it at the end: whatever is
    open ends with this process. An interrupt (Ctrl-C) ends all child processes and is raised again; what there is by
    then stands in the raw results and in `outcomes`, `results`, `diagnosis`, `comparison`, `studied` and
    `calibration`.
    """

    def measure(self, cell: Cell | str | None = None, *, replicates: int = 3, **parts: Unpack[CellParts]) -> Results:
        """Measure one cell in so many fresh processes.

        `cell` is a text, such as `boardmoves/small/threads[count=2]/fp32` (with /device at the end, or without size),
        or a `Cell`; or the cell comes in parts: `workload`, `loader`, `step`, `size`, `device`, see `CellParts`.

        Raises:
            UsageError: there is no such cell, or an object's class is offered by no plugin.
        """
        cells = [self.cell(cell, **parts)]
        return Results(tuple(measured(self.resources, cells, demand_count("replicates", replicates))), self.raw)

    def measure_all(
        self,
        *,
        workloads: Iterable[Workload | str] = (),
        loaders: Iterable[Loader | str] = (),
        steps: Iterable[Step | str] = (),
        size: str | None = None,
        device: str | None = None,
        sweep: bool = False,
        replicates: int = 1,
        ranks: int = 1,
    ) -> Iterator[Outcome]:
        """Measure every combination, and yield outcomes as they come: all cells once, then all again.

        In each round the loaders of a step come in random order, unless the session's `order` says otherwise.
        Nothing named of a family means all that are not hidden. `sweep`: all combinations of the values of loaders' and
        steps' knobs. A cell that this machine cannot run is one failure, `unavailable`. `ranks`: above 1, each cell is
        measured as one process and as so many that train together.

        Raises:
            UsageError: a name is unknown.
        """
        cells = self.select(
            workloads=workloads, loaders=loaders, steps=steps, size=size, device=device, sweep=sweep, ranks=ranks
        )
        return measured(self.resources, cells, demand_count("replicates", replicates), self.resources.order_seed)

    def select(
        self,
        *,
        workloads: Iterable[Workload | str] = (),
        loaders: Iterable[Loader | str] = (),
        steps: Iterable[Step | str] = (),
        size: str | None = None,
        device: str | None = None,
        sweep: bool = False,
        ranks: int = 1,
    ) -> tuple[Cell, ...]:
        """Give the cells that `measure_all` measures, in that order; raises like it."""
        where = device_or_default(device)
        asked = (_several(workloads), _several(loaders), _several(steps))
        cells = Selection(size_or_default(size, where), where, *asked, sweep).cells(self.resources.registry)
        if demand_count("ranks", ranks) > 1:
            cells = tuple(several for cell in cells for several in (cell, replace(cell, ranks=ranks)))
        return tuple(dict.fromkeys(map(self.resources.settings.started, cells)))

    def resolve(
        self, cells: Iterable[Cell], *, replicates: int | None = 1, origins: Origins | None = None
    ) -> ResolvedRun:
        """Say with which settings cells would be measured, and where each comes from; nothing is measured or made.

        `replicates`: None: as many as `diagnose` takes by itself. `origins`: what is known of that; None: nothing, and
        what is not at its default comes from this call.
        """
        from feedrate.api.diagnosing import LEAST, MOST
        from feedrate.api.resolved import Origins, resolved

        count = f"{LEAST} to {MOST}" if replicates is None else demand_count("replicates", replicates)
        return resolved(self.resources, tuple(cells), count, origins or Origins())

    def measure_doubtful_again(self, limit_s: float = AGAIN_S) -> Iterator[Outcome]:
        """Measure each doubtful replicate so far once more, and yield outcomes as they come.

        Tables then have the one that is not doubtful, or the first where both are. It ends after `limit_s` seconds.
        """
        return measured_again(self.resources, limit_s)

    def size(
        self,
        workload: Workload | str,
        step: Step | str = "fp32",
        *,
        size: str | None = None,
        device: str | None = None,
    ) -> SizingResult:
        """Say how large a batch and a chunk may be for a workload and a step, on this device and on others.

        The step's peaks are measured at three sizes of batches; `size` and `device` as in `CellParts`.

        Raises:
            UsageError: there is no such workload or step, or its batches are of no fixed size.
            UnavailableError: the device is the host, or this machine lacks what it needs.
            CellError: a process failed; it holds the failure.
        """
        from feedrate.api.sizing import LOADER, sized

        cell = self.cell(workload=workload, loader=LOADER, step=step, size=size, device=device)
        return sized(self.resources, cell)

    def diagnose(
        self,
        cell: Cell | str | None = None,
        *,
        replicates: int | None = None,
        cold: bool = False,
        **parts: Unpack[CellParts],
    ) -> DiagnosisResult:
        """Take one cell, given as for `measure`, apart, and say what holds it back.

        `replicates`: fresh processes; None: 3, and up to 6 while it is unsure. `cold`: also measure an epoch of files
        that the page cache does not hold.

        Raises:
            UsageError: there is no such cell.
            UnavailableError: this machine lacks what it needs.
            CellError: a process failed; it holds the failure.
        """
        from feedrate.api.diagnosing import diagnosed

        count = None if replicates is None else demand_count("replicates", replicates)
        return DiagnosisResult((diagnosed(self.resources, self.cell(cell, **parts), count, cold=cold),), self.raw)

    def diagnose_command(
        self,
        command: Sequence[str],
        *,
        replicates: int | None = None,
        loop: str = "",
        out_of_place: Path | str | None = None,
        trial_pairs: int = 0,
        trial_budget_s: float = 600.0,
    ) -> DiagnosisResult:
        """Say what holds a person's own training back: the words of a command that trains with a DataLoader of torch.

        It runs in this process's folder, as often as `replicates` says; None: 3 times, and up to 6 while it is unsure.
        Each run is ended when enough is known, and has trained on repeated batches: nothing that it kept is of use.
        `loop`: the loop that is measured, as `train.py:41`, where its `for` stands; empty: the first that trains.
        `out_of_place`: an empty folder, or one that is not there yet, for a copy of this process's folder to run in.
        `trial_pairs`: try those of its advices that are settings of the DataLoader, each in so many pairs with the
        script as it is at most, or for `trial_budget_s` seconds; 0: do not.

        Raises:
            UsageError: there is no such program or loop, or the copy cannot be made.
            CellError: a run failed, or nothing of it could be timed; it holds the failure.
        """
        from feedrate.api.diagnosing import diagnosed_command
        from feedrate.api.scripts import script_command
        from feedrate.api.trying import try_settings

        count = None if replicates is None else demand_count("replicates", replicates)
        script = script_command(self.resources, command, _path(out_of_place))
        script = script.with_loop(loop) if loop else script
        self.resources.trials = ()
        diagnosis, trials = diagnosed_command(self.resources, script, count), None
        if trial_pairs:
            trials = try_settings(self.resources, script, diagnosis, trial_pairs, trial_budget_s)
        return DiagnosisResult((diagnosis,), self.raw, trials)

    def measure_command(
        self,
        command: Sequence[str],
        *,
        loaders: Iterable[str] = (),
        replicates: int = 1,
        out_of_place: Path | str | None = None,
    ) -> Iterator[Outcome]:
        """Race loaders inside a person's own training, see `diagnose_command`; yield outcomes as they come.

        `loaders`: `dataloader`, the script's own; `dataloader[num_workers=4,persistent_workers=true]`, the same with
        other settings; `inline`; `threads[count=2]`; `ring_workers[count=2,slots=4]`. None named: its own, none and
        numbers of workers, threads, and a ring. Each is checked to give the batches that the script's gives; one that
        cannot take its place is one failure.

        Raises:
            UsageError: there is no such program, loader or setting, or the copy cannot be made.
        """
        from feedrate.api.scripts import measured_command

        count = demand_count("replicates", replicates)
        return measured_command(self.resources, command, _several(loaders), count, _path(out_of_place))

    def tune_command(
        self,
        command: Sequence[str],
        *,
        budget_s: float = 600.0,
        memory_bytes: float | None = None,
        out_of_place: Path | str | None = None,
    ) -> TuningResult:
        """Find the settings of the DataLoader of a person's training that are best for it, see `diagnose_command`.

        Settings, and beside them threads and a ring of feedrate's own, are halved round by round, and the best of
        either are compared in pairs with the script as it is. It ends after `budget_s` seconds; `memory_bytes`: no
        setting whose processes take more is named.

        Raises:
            UsageError: there is no such program, or the copy cannot be made.
            CellError: the script gives nothing to time.
        """
        from feedrate.api.scripts import script_command
        from feedrate.api.tuning import Tuner

        script = script_command(self.resources, command, _path(out_of_place))
        return Tuner(self.resources, script, budget_s, memory_bytes).tuned()

    def compare(
        self,
        a: Cell | str,
        b: Cell | str,
        *,
        metric: str = "full",
        margin: float = 0.02,
        pairs: int = 32,
        budget_s: float = 600.0,
        size: str | None = None,
        device: str | None = None,
    ) -> ComparisonResult:
        """Run A and B in blocks of fresh processes (control, A, B, B, A) until the interval decides.

        Each is a cell as for `measure`, or a text `CELL@COMMIT` or `CELL@FILE.py`; `@HEAD` is A's cell, and `*` stands
        for all of a family. It ends after `pairs` pairs or `budget_s` seconds at the latest. Two commands that train,
        as they would be typed, are compared likewise, see `diagnose_command`.

        Args:
            a: What the verdict is about.
            b: What it is compared with.
            metric: What is compared: time a sample of `full`, loader and step together, or of `loader` or `step` alone.
            margin: Differences below this share are none.
            pairs: At most so many of A and B.
            budget_s: At most so many seconds.
            size: Of cells that do not say.
            device: Of cells that do not say.

        Raises:
            UsageError: they name nothing that there is, or `pairs` is too few.
            UnavailableError: this machine lacks what a cell needs.
        """
        from feedrate.api.comparing import compared, stopping_rule
        from feedrate.api.scripts import compared_commands, is_command
        from feedrate.api.variant_spec import pairings

        rule = stopping_rule(metric, margin, pairs, budget_s, self.resources.caller.prefix)
        if any(isinstance(side, str) and is_command(side) for side in (a, b)):
            return compared_commands(self.resources, str(a), str(b), rule)
        texts = [side if isinstance(side, str) else str(self.cell(side)) for side in (a, b)]
        specs = pairings(texts[0], texts[1], self.resources.settings.plugins, size, device, self.own_files)
        return compared(self.resources, specs, rule)

    def study(
        self,
        file: Path | str,
        *,
        metric: str = "full",
        margin: float = 0.02,
        pairs: int = 32,
        budget_s: float = 600.0,
        size: str | None = None,
        device: str | None = None,
    ) -> StudyResult:
        """Try the changes that a file names, in their order, each against the one before or against the base.

        Each is compared as by `compare`, with its `margin`, and for `pairs` pairs or `budget_s` seconds at most; all
        verdicts are judged together. One that cannot run here is kept with its reason. `size` and `device` complete a
        base that does not say.

        Raises:
            UsageError: the file says what nothing means, or names a cell that there is not.
            UnavailableError: this machine lacks what the base needs.
        """
        from feedrate.api.comparing import stopping_rule
        from feedrate.api.study_file import StudyPlan
        from feedrate.api.studying import studied

        rule = stopping_rule(metric, margin, pairs, budget_s, self.resources.caller.prefix)
        return studied(self.resources, StudyPlan.read(Path(file), size, device), rule)

    def changed_since(
        self,
        cell: Cell | str,
        commit: str,
        *,
        pairs: int = 8,
        budget_s: float = 600.0,
        replicates: int | None = None,
    ) -> ChangeResult:
        """Measure a cell here and at a commit of the checkout in this folder, and say which side and stage moved.

        It ends after `pairs` pairs or `budget_s` seconds; if the loader moved, `replicates` (4) processes of each take
        the cell apart.

        Raises:
            UsageError: there is no such cell or commit.
            UnavailableError: this machine lacks what the cell needs.
        """
        from feedrate.api.changing import changed_since

        return changed_since(self.resources, self.cell(cell), commit, pairs, budget_s, replicates or 0)

    def command_changed_since(
        self, command: Sequence[str], commit: str, *, pairs: int = 8, budget_s: float = 600.0
    ) -> ChangeResult:
        """Measure a person's training here and at a commit of the repository in this folder; say which side moved.

        The commit's code runs in a folder of its own, over the environment that is there, beside what git does not
        know. It ends after `pairs` pairs or `budget_s` seconds.

        Raises:
            UsageError: there is no such program or commit.
        """
        from feedrate.api.scripts import command_changed_since

        return command_changed_since(self.resources, command, commit, pairs, budget_s)

    def report(self, path: Path | str | None = None) -> Path:
        """Write one page, with pictures, of all that this session has measured so far; give where it is.

        `path`: a file that is not there yet; None: beside the raw results, with their name and `.html`.

        Raises:
            UsageError: there is such a file, which is left as it is; or nothing was written down to make it of.
            UnavailableError: plotly or jinja2 is not installed.
            OSError: it cannot be written.
        """
        from feedrate.api.reporting import write_report

        if self.raw is None:
            raise UsageError("this session keeps no raw results; Session(results=FOLDER) does")
        if not self.raw.is_file():
            raise UsageError("nothing was measured yet, so there is nothing to report")
        return write_report([self.raw], _path(path), way_out="name another file").path

    def calibrate(self, *, only: Iterable[str] = (), device: str | None = None) -> CalibrationResult:
        """Measure cells whose answer is known, and hold what is found against it; nothing is written down.

        `only`: names of cases; none: all. `device`: the cases of that device alone.

        Raises:
            UsageError: there is no such case or device.
        """
        from feedrate.api.calibrating import calibrated, cases_of

        return calibrated(self.resources, cases_of(_several(only), device))


def _path(folder: Path | str | None) -> Path | None:
    return None if folder is None else Path(folder)


def _several(asked: Iterable[S | str]) -> Sequence[S | str]:
    """Those that are asked for; one alone is taken for one."""
    return (asked,) if isinstance(asked, str | Strategy) else tuple(asked)

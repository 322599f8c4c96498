"""Time one loop of a script, and sum up what was measured as of any other cell."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from feedrate.metering.budget import MeasurementBudget
from feedrate.metering.compilation import compiled_so_far
from feedrate.metering.device import Device
from feedrate.metering.phase_clock import PhaseClock
from feedrate.metering.ranks import Alone, Ranks
from feedrate.metering.script.batches import ReadyBatches
from feedrate.metering.script.competition import competition
from feedrate.metering.script.epochs import Beginning, Epochs
from feedrate.metering.script.loading_parts import loading_times
from feedrate.metering.script.ring_loader import RingLoader
from feedrate.metering.script.rounds import Loop, ScriptRounds
from feedrate.metering.script.soak import ScriptSoak
from feedrate.metering.script.step_profile import step_profile
from feedrate.metering.script.variants import ThreadedLoader
from feedrate.records.answer import Compilation, Measured, MeasuredCell, StepTimes, StreamTimes, TrainingResult
from feedrate.records.cell_traits import CellTraits, DataLoaderTraits, LoaderTraits, WorkPlace
from feedrate.records.competition import Competition
from feedrate.records.conditions import Conditions
from feedrate.records.ladder import BatchWaits, Ladder
from feedrate.records.loading_times import LoadingTimes
from feedrate.records.request import PROFILES, ScriptRequest
from feedrate.records.soak import Soak
from feedrate.records.step_profile import StepProfile
from feedrate.records.validity import read_from_disk
from feedrate.system.load_monitor import LoadMonitor
from feedrate.system.sampling_flags import SamplingFlags
from feedrate.system.stopwatch import now_s

__all__ = ["Measurer"]

_PROFILE_S = 20.0
"""For whoever looks from outside to be done with a side."""
_NOT_BACK = LoadingTimes(absent="the process that trains did not come back from fetching")
_READY_BYTES = 64 << 20
"""Of the batches behind T_S, kept twice: as they came, and as they are served."""


@dataclass
class Measurer:
    """Serves one loop while it is timed; used once."""

    request: ScriptRequest
    visits: Callable[[], int] = lambda: 0
    """Counts how often the script began to iterate any other loader."""
    checked_batches: int = 0
    """Batches that were compared with those fetched in this process."""
    ranks: Ranks = field(default_factory=Alone)
    """Train together; one of them answers for all, and looks and is looked at from outside."""
    _clock: PhaseClock = field(default_factory=PhaseClock)
    _device: Device = field(default_factory=lambda: Device("cuda" if torch.cuda.is_initialized() else "cpu"))
    _compiled: Compilation = field(default_factory=compiled_so_far)
    _soak: Soak | None = None
    _competition: Competition | None = None
    _facts: StepProfile | None = None
    _loading: LoadingTimes | None = None

    def serve(self, loader: Any, epochs: Epochs, updates_every: int) -> Generator[Any, None, None]:
        """Give the loop its batches while it is timed, and then until its memory was looked at.

        `updates_every`: batches from one step of the optimizer to the next. Raises like `ScriptRounds.serve`.
        """
        self._loader, self._monitor = loader, LoadMonitor(pid=self.ranks.family())
        every, ahead = (int(self.ranks.largest(number)) for number in (updates_every, _ahead(loader)))
        self._loop = Loop(
            *(epochs, ReadyBatches(_READY_BYTES), self._device.synchronize, self.visits, every, ahead, self.ranks)
        )
        for batch in self._batches():
            self._loop.served += 1
            yield batch

    def _batches(self) -> Generator[Any, None, None]:
        effort, marks = MeasurementBudget(seconds=self.request.seconds), SamplingFlags(self._folder)
        loop = self._loop
        self._rounds = ScriptRounds(loop, effort, self._clock)
        self._device.reset_peaks()
        marks.set_busy(True)
        try:
            with self._monitor.watched():
                yield from self._rounds.serve()
            # Ranks would have to agree before each batch, and that would be seen in its pace.
            if self.ranks.count == 1:
                with self._clock.phase("ablation"):
                    if self.request.profile:
                        self._competition = yield from competition(loop)
                    if self.request.soak:
                        self._soak = yield from self._soaked(effort)
        finally:
            marks.set_busy(False)
        yield from self._looked_at()
        if self.request.watched:
            marks.request_sample()
            with self._clock.phase("memory"):
                for _ in self._while_asked(lambda: marks.sample_requested, effort.memory_s):
                    yield loop.epochs.take()
        if self.request.profile and self.ranks.count == 1:
            # What a profiler keeps is not the script's: from here on nobody looks at memory.
            marks.set_busy(True)
            with self._clock.phase("ablation"):
                self._facts = yield from step_profile(loop, self._device_name, self._folder)

    @property
    def _device_name(self) -> str:
        return "cuda" if torch.cuda.is_initialized() else "cpu"

    @property
    def _folder(self) -> Path:
        """Where word is left for whoever looks from outside; the ranks that do not answer are not looked at."""
        if self.ranks.answers:
            return self.request.scratch
        folder = self.request.scratch / f"unwatched-{os.getpid()}"
        folder.mkdir(exist_ok=True)
        return folder

    def _while_asked(self, is_asked: Callable[[], bool], most_s: float) -> Iterator[None]:
        """Go on as long as the rank that answers is asked for it, but for so long at most."""
        start = now_s()
        while self.ranks.largest(self.ranks.answers and is_asked() and now_s() - start < most_s):
            yield

    def _soaked(self, effort: MeasurementBudget) -> Generator[Any, None, Soak]:
        """Let the loop go on for a while, and watch its pace and what it holds."""
        rounds, device = self._rounds, self._device_name
        before = (tuple(rounds.step_paces), tuple(rounds.loader_paces))
        return (yield from ScriptSoak(self._loop, effort.seconds, device, *before).serve())

    def _looked_at(self) -> Generator[Any, None, None]:
        """Keep one side at work after the other while somebody looks at it from outside, if that is asked for."""
        if not self.request.profile:
            return
        with self._clock.phase("ablation"):
            for side in PROFILES:
                asked = self._folder / f"profile-{side}"
                asked.write_text(str(os.getpid()))
                for _ in self._while_asked(asked.exists, _PROFILE_S):
                    if side == "loader":
                        self._loop.epochs.take()
                    else:
                        yield from self._loop.ready.take(1)

    @property
    def takes_loading_apart(self) -> bool:
        """Whether batches are to be made part by part; ranks would disturb one another."""
        return self.request.parts and self.ranks.count == 1

    def take_loading_apart(self) -> None:
        """Make batches part by part, when the last batch was served; nothing is loaded after that."""
        with self._clock.phase("ablation"):
            self._loading = loading_times(self._loader, self.request.seconds)

    def answer(self, beginning: Beginning) -> Measured:
        """Sum up what was measured, after the last batch was served."""
        rounds, loop, times = self._rounds, self._rounds.loop, self._rounds.times()
        conditions = replace(
            self._monitor.conditions(), clocks=self._device.clocks, gpu_strangers=self._device.strangers
        )
        step = StepTimes(
            windows_before=tuple(rounds.step_before),
            windows_after=(),
            first_step_s=beginning.first_step_s,
            compiled=self._compiled,
            recompiles=compiled_so_far().graphs - self._compiled.graphs,
        )
        stream = StreamTimes(
            rounds=times,
            memory_samples=(),
            device=self._device.peaks(),
            first_batch_s=beginning.first_batch_s,
            batch_samples=rounds.batch_samples,
            smallest_batch_samples=None,
            largest_batch_samples=None,
            batch_bytes=rounds.batch_bytes,
            epoch_bytes=None,
            epoch_batches=loop.epochs.length,
            ahead_batches=loop.ahead,
            checked_batches=self.checked_batches,
        )
        cell = MeasuredCell(
            build_s=beginning.build_s,
            step=step,
            stream=stream,
            training=TrainingResult(),
            page_cache=self._page_cache(stream, conditions),
            conditions=conditions,
            observed=self._observed(),
            phases=self._clock.phases(),
            ladder=self._ladder(),
        )
        return Measured(cell, beginning.import_s, {"seconds": self.request.seconds})

    def _page_cache(self, stream: StreamTimes, conditions: Conditions) -> str:
        """Tell `warm` if next to nothing came from a device while windows were timed."""
        windows = (*stream.rounds.loader_windows, *stream.rounds.full_windows)
        batches = sum(window.batches for window in windows) + stream.rounds.discarded_batches
        served = batches * float(stream.batch_bytes)
        return "unknown" if read_from_disk(conditions.disk_read_bytes, served) else "warm"

    def _observed(self) -> dict[str, object]:
        """Say what the script's loader is, as far as it tells."""
        names = ("batch_size", "num_workers", "prefetch_factor", "persistent_workers", "pin_memory")
        settings = {name: getattr(self._loader, name, None) for name in names}
        as_floats = "" if self._loading is None else self._loading.integers_as_floats
        return {
            "device": self._device_name,
            "torch_threads": torch.get_num_threads(),
            "loader class": f"{type(self._loader).__module__}.{type(self._loader).__qualname__}",
            "loader settings": {name: value for name, value in settings.items() if value is not None},
            "updates every": self._rounds.loop.updates_every,
            "ranks": self.ranks.count,
            "changes batches in place": self._rounds.loop.ready.changed_in_place,
            **({"integers as floats": as_floats} if as_floats else {}),
        }

    def _ladder(self) -> Ladder:
        rounds, epochs, workers = self._rounds, self._rounds.loop.epochs, _workers(self._loader)
        settings = DataLoaderTraits(
            workers=workers,
            prefetch_factor=getattr(self._loader, "prefetch_factor", None),
            persistent=bool(getattr(self._loader, "persistent_workers", False)),
            pinned=bool(getattr(self._loader, "pin_memory", False)),
        )
        traits = CellTraits(
            loader=LoaderTraits(
                works_in=_work_place(self._loader),
                count=workers or None,
                shares_memory=isinstance(self._loader, RingLoader),
            ),
            pin=settings.pinned,
            dataloader=settings,
            cores=len(os.sched_getaffinity(0)),
        )
        return Ladder(
            boundary_s=rounds.begin_s if epochs.taken.begins else None,
            epoch_batches=epochs.least_length,
            facts=self._facts,
            loading=self._loading or (_NOT_BACK if self.takes_loading_apart else None),
            traits=traits,
            soak=self._soak,
            waits=BatchWaits(epochs.taken.wait_s, epochs.held_back_s),
            competition=self._competition,
        )


def _work_place(loader: Any) -> WorkPlace:
    if isinstance(loader, ThreadedLoader):
        return "threads"
    return "processes" if _workers(loader) else "caller"


def _workers(loader: Any) -> int:
    return int(getattr(loader, "num_workers", 0) or 0)


def _ahead(loader: Any) -> int:
    """Batches that the loader may have ready before they are asked for."""
    if isinstance(loader, RingLoader | ThreadedLoader):
        return loader.ahead_batches
    return _workers(loader) * int(getattr(loader, "prefetch_factor", None) or 2)

"""fxseq: currency sequences in one HDF5 file, read in chunks that would fill a GPU."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from feedrate.data.counter_rng import CounterRng
from feedrate.data.field import Field
from feedrate.plugin.strategy import knob
from feedrate.plugin.workload import Workload

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from feedrate.loading.block import Block

__all__ = ["FxSeq"]

TARGETS = 36
_FEATURES, _LEVELS, _NOISE, _HOLES, _SERIES, _SERIES_LEVELS = range(10, 16)  # streams of `CounterRng`
_ROWS_WRITTEN_AT_ONCE = 64
"""A multiple of the rows of an HDF5 chunk, so that no chunk is compressed twice."""


class _Scale(NamedTuple):
    rows: int
    steps: int
    features: int
    multi_rows: int
    lengths: tuple[int, ...]
    """Rows of each of the five windows, the longest first."""
    multi_features: int
    batch: int
    chunks: int
    hidden: int


_SCALES = {
    "tiny": _Scale(96, 12, 8, 96, (12, 8, 6, 4, 3), 8, 16, 2, 32),
    "small": _Scale(2_000, 90, 32, 600, (60, 36, 24, 12, 6), 16, 32, 4, 32),
    # 300 MB a chunk for `single`.
    "full": _Scale(10_000, 360, 167, 4_000, (480, 288, 192, 96, 48), 128, 128, 8, 128),
    "seed": _Scale(51_779, 360, 167, 20_000, (480, 288, 192, 96, 48), 128, 128, 1, 128),
}


@dataclass(frozen=True)
class FxSeq(Workload):
    """Predict 36 returns from one sequence; or a direction and its size from five windows of one series."""

    name = "fxseq"
    format: ClassVar[str] = "hdf5"
    version: ClassVar[int] = 1
    storage_knobs: ClassVar[tuple[str, ...]] = ("form", "layout", "nan_ratio", "constant_columns")

    form: str = knob("single", "multi", "multi_base")
    """One stored sequence a sample; five stored windows a sample; or the series they are cut from, stored once."""
    layout: str = knob("contiguous", "chunked", "gzip")
    handles: str = knob("reopened", "kept")
    """Whether each read opens the file and closes it, or each process that reads keeps it open."""
    order: str = knob("shuffled", "sequential")
    """`sequential` delivers samples in the order of time."""
    chunks: int | None = knob(None, 3, low=1, high=100_000)
    """Blocks in the file; auto: as many as the size says."""
    nan_ratio: float = knob(0.0, low=0, high=0.9)
    """Share of the targets that are NaN; the loss leaves them out."""
    constant_columns: int = knob(0, low=0, high=167)
    """How many features never change."""
    batch_size: int | None = knob(None, low=1, high=1 << 24)
    """Samples of a batch, at most those of a block; auto: 16, 32 and 128 by size."""
    drop_last: bool = knob(False, True)
    """Leave out what is left of a block when it is cut into whole batches: other samples in each epoch."""

    def stored_fields(self, size: str) -> tuple[Field, ...]:
        scale = _SCALES[size]
        row_id = Field("row_id", "uint64", "int64")
        if self.form == "single":
            sequences = Field("features", "float32", "float32", (scale.steps, scale.features))
            return row_id, sequences, Field("targets", "float32", "float32", (TARGETS,))
        answers = Field("direction", "int64", "int64"), Field("magnitude", "float32", "float32")
        if self.form == "multi_base":
            return row_id, Field("series", "float32", "float32", (scale.multi_features,)), *answers
        windows = (Field(f"last{n}", "float32", "float32", (n, scale.multi_features)) for n in scale.lengths)
        return row_id, *windows, *answers

    def sample_fields(self, size: str) -> tuple[Field, ...]:
        stored = self.stored_fields(size)
        if self.form != "multi_base":
            return stored
        scale = _SCALES[size]
        cut = (
            Field(f"last{n}", "float32", "float32", (scale.multi_features,), column="series", window=n)
            for n in scale.lengths
        )
        return stored[0], *cut, *stored[2:]

    def _history(self, size: str) -> int:
        """Rows at the start of the file that are no samples: the first windows reach back into them."""
        return _SCALES[size].lengths[0] - 1 if self.form == "multi_base" else 0

    def _samples(self, size: str) -> int:
        return _SCALES[size].rows if self.form == "single" else _SCALES[size].multi_rows

    def row_groups(self, size: str) -> tuple[tuple[int, ...], ...]:
        rows = self._samples(size) + self._history(size)
        starts = range(0, rows, _ROWS_WRITTEN_AT_ONCE)
        return (tuple(min(_ROWS_WRITTEN_AT_ONCE, rows - start) for start in starts),)

    @property
    def storage(self) -> Mapping[str, str]:
        return {"layout": self.layout}

    @property
    def keeps_open(self) -> bool:
        return self.handles == "kept"

    @property
    def in_order(self) -> bool:
        return self.order == "sequential"

    def blocks(self, size: str) -> tuple[Block, ...]:
        from feedrate.loading.block import Block, with_batches

        samples, history = self._samples(size), self._history(size)
        chunks = min(self.chunks or _SCALES[size].chunks, samples)
        ends = [history + samples * index // chunks for index in range(chunks + 1)]
        batch = self.batch_size or _SCALES[size].batch
        drop = self.drop_last
        return with_batches(
            Block(low - history, high, ((low, high),), batch, drop_last=drop) for low, high in pairwise(ends)
        )

    def rows(self, size: str, seed: int, start: int, stop: int) -> dict[str, NDArray[np.generic]]:
        columns = (
            self._single(size, seed, start, stop) if self.form == "single" else self._multi(size, seed, start, stop)
        )
        return {"row_id": np.arange(start, stop, dtype=np.uint64), **columns}

    def _single(self, size: str, seed: int, start: int, stop: int) -> dict[str, NDArray[np.generic]]:
        """Each feature keeps to a level of its sample; each target is the sum of two levels, and noise."""
        scale = _SCALES[size]
        levels = CounterRng(seed, _LEVELS, scale.features).normal(start, stop)
        noise = CounterRng(seed, _FEATURES, scale.steps * scale.features).normal(start, stop)
        features = noise.reshape(-1, scale.steps, scale.features)
        features += levels[:, None]
        features[:, :, : self.constant_columns] = 1
        targets = 0.1 * CounterRng(seed, _NOISE, TARGETS).normal(start, stop)
        first = np.arange(TARGETS) % scale.features
        targets += 0.6 * levels[:, first] + 0.4 * levels[:, (first * 5 + 1) % scale.features]
        return {"features": features, "targets": self._holed(targets, seed, start, stop)}

    def _multi(self, size: str, seed: int, start: int, stop: int) -> dict[str, NDArray[np.generic]]:
        """`multi` row n holds the windows that end at row n + longest - 1 of the series of `multi_base`."""
        scale = _SCALES[size]
        longest, shortest = scale.lengths[0], scale.lengths[-1]
        shift = longest - 1 if self.form == "multi" else 0
        series = _series(seed, scale.multi_features, start + shift, stop + shift, back=longest - 1, hold=2 * shortest)
        mean = _trailing_mean(series, stop - start, shortest)
        up = mean[:, 0] + mean[:, 1]
        series[:, 2 : 2 + self.constant_columns] = 1
        answers: dict[str, NDArray[np.generic]] = {
            "direction": (up > -_THIRD).astype(np.int64) + (up > _THIRD),
            "magnitude": self._holed(np.abs(up)[:, None], seed, start + shift, stop + shift)[:, 0],
        }
        if self.form == "multi_base":
            return {"series": series[longest - 1 :], **answers}
        return {f"last{n}": _windows(series, stop - start, n) for n in scale.lengths} | answers

    def _holed(self, targets: NDArray[np.float32], seed: int, start: int, stop: int) -> NDArray[np.float32]:
        if self.nan_ratio:
            targets[_share(seed, targets.shape[1], start, stop) < self.nan_ratio] = np.nan
        return targets

    def model(self, size: str) -> torch.nn.Module:
        from feedrate.builtin.models.sequences import FrameFusion, SequenceRegressor

        scale = _SCALES[size]
        if self.form == "single":
            return SequenceRegressor(scale.features, scale.hidden, TARGETS)
        return FrameFusion(tuple(f"last{n}" for n in scale.lengths), scale.multi_features, scale.hidden)

    def loss(self, outputs: Any, tensors: Mapping[str, Tensor]) -> Tensor:
        from feedrate.builtin.models.losses import frames_loss, masked_huber

        if self.form == "single":
            return masked_huber(outputs, tensors["targets"])
        return frames_loss(outputs, tensors)

    def forecasts(self, outputs: Any, tensors: Mapping[str, Tensor]) -> Mapping[str, tuple[Tensor, Tensor]]:
        if self.form == "single":
            return {"targets": (outputs, tensors["targets"])}
        return {"magnitude": (outputs["magnitude"], tensors["magnitude"])}

    def optimizer(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        import torch

        return torch.optim.Adam(parameters, lr=1e-3, weight_decay=1e-4, fused=True)


_THIRD = np.float32(0.5)
"""Splits the planted signal into three classes of about the same size."""


def _share(seed: int, columns: int, start: int, stop: int) -> NDArray[np.float32]:
    return CounterRng(seed, _HOLES, -(-columns // 2)).uniform(start, stop)[:, :columns]


def _series(seed: int, features: int, start: int, stop: int, *, back: int, hold: int) -> NDArray[np.float32]:
    """float32 (back + stop - start, features): rows from `start - back` on; levels that last `hold` rows, and noise."""
    # Row 0 has history too: the counters run from its oldest row.
    first, last = start, stop + back
    series = CounterRng(seed, _SERIES, features).normal(first, last)
    levels = CounterRng(seed, _SERIES_LEVELS, features).normal(first // hold, (last - 1) // hold + 1)
    series += levels[np.arange(first, last) // hold - first // hold]
    return series


def _trailing_mean(series: NDArray[np.float32], rows: int, length: int) -> NDArray[np.float32]:
    """float32 (rows, features): mean of the last `length` rows, for each of the last `rows` rows."""
    # Added row by row, in one order: a sum by numpy's own choice of order could differ in the last bit.
    total = np.zeros((rows, series.shape[1]), dtype=np.float32)
    for back in range(length):
        total += series[len(series) - rows - back : len(series) - back]
    return total / np.float32(length)


def _windows(series: NDArray[np.float32], rows: int, length: int) -> NDArray[np.float32]:
    """float32 (rows, length, features): the windows that end at each of the last `rows` rows."""
    tail = series[len(series) - rows - length + 1 :]
    return np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(tail, length, axis=0).transpose(0, 2, 1))

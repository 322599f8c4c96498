"""daywindows: a stock panel in Parquet files, cut into overlapping windows, with days of uneven size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from feedrate.builtin.workloads._neighbours import NEIGHBOURS, day_neighbours
from feedrate.data.counter_rng import CounterRng
from feedrate.data.field import Field
from feedrate.errors import UsageError
from feedrate.plugin.strategy import knob
from feedrate.plugin.workload import Workload

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from feedrate.loading.block import Block

__all__ = ["DayWindows"]

TARGETS = ("y1", "y5", "y10", "y20")
MASKS = 4
_FIRST_CODES, _SECTORS = 5, 6
_FEATURES, _RETURNS, _SECTOR, _NOISE, _SHARES = range(20, 25)  # streams of `CounterRng`


class _Scale(NamedTuple):
    codes: int
    days: int
    features: int
    window: int
    fixed_batch: int
    files: int
    width: int
    """Width of a selected feature."""
    hidden: int


_SCALES = {
    "tiny": _Scale(12, 40, 8, 8, 16, 4, 8, 16),
    "small": _Scale(64, 180, 48, 20, 128, 6, 8, 32),
    "full": _Scale(1_024, 750, 437, 60, 2_048, 12, 16, 128),
    "seed": _Scale(3_900, 2_450, 437, 60, 2_048, 40, 16, 128),
}


@dataclass(frozen=True)
class DayWindows(Workload):
    """Predict the returns of every stock of a day from its last days; row n is the n-th (day, code)."""

    name = "daywindows"
    format: ClassVar[str] = "parquet"
    version: ClassVar[int] = 1
    storage_knobs: ClassVar[tuple[str, ...]] = ("nan_ratio", "constant_columns")

    reader: str = knob("pyarrow", "polars")
    """Library that decodes the files."""
    batch: str = knob("day", "fixed")
    """A batch is all windows of a day, or a fixed number of windows of any day."""
    selection: str = knob("batched", "looped")
    """One gated residual network after the other, a feature each; or all in one go. The mathematics is the same."""
    graph: str = knob("off", "in_step", "in_worker", "cached")
    """Who finds each stock's most correlated neighbours: nobody, the model, the loader, or whoever wrote the files."""
    nan_ratio: float = knob(0.005, low=0, high=0.9)
    """Share of the targets that are NaN; the loss leaves them out."""
    constant_columns: int = knob(0, low=0, high=437)
    """How many features, the last ones, never change."""
    batch_size: int | None = knob(None, low=1, high=1 << 24)
    """Windows of a batch, where `batch=fixed`; auto: 16, 128 and 2,048 by size."""
    order: str = knob("shuffled", "sequential")
    """`sequential` delivers days in the order of time."""
    drop_last: bool = knob(False)
    """Where `batch=fixed`: leave out what is left of a block when it is cut into whole batches; other windows in each
    epoch."""

    def stored_fields(self, size: str) -> tuple[Field, ...]:
        return (
            Field("row_id", "uint64", "int64"),
            Field("code", "int32", "int64"),
            Field("day", "int32", "int64"),
            Field("f", "float32", "float32", (_SCALES[size].features,)),
            Field("m", "bool", "float32", (MASKS,)),
            *(Field(name, "float32", "float32") for name in TARGETS),
            Field("graph", "int32", "int64", (NEIGHBOURS,)),
        )

    def sample_fields(self, size: str) -> tuple[Field, ...]:
        scale = _SCALES[size]
        row_id, _, _, _, *others, graph = self.stored_fields(size)
        window = Field("f", "float32", "float32", (scale.features,), window=scale.window)
        if self.graph != "cached":
            return row_id, window, *others
        if self.batch != "day":
            raise UsageError(f"{self.name}: graph=cached names neighbours by their place in the day; use batch=day")
        return row_id, window, *others, graph

    def day_starts(self, size: str) -> tuple[int, ...]:
        return tuple(np.cumsum([0, *_listed(size)]).tolist())

    def row_groups(self, size: str) -> tuple[tuple[int, ...], ...]:
        listed, files = _listed(size), _SCALES[size].files
        ends = [len(listed) * index // files for index in range(files + 1)]
        return tuple(tuple(listed[low:high].tolist()) for low, high in pairwise(ends))

    @property
    def storage(self) -> Mapping[str, str]:
        return {"compression": "snappy"}

    @property
    def decoder(self) -> str:
        return self.reader

    @property
    def in_order(self) -> bool:
        return self.order == "sequential"

    def blocks(self, size: str) -> tuple[Block, ...]:
        from feedrate.loading.block import Block, with_batches

        if self.batch == "day" and (self.batch_size is not None or self.drop_last):
            asked = "drop_last" if self.batch_size is None else "batch_size"
            raise UsageError(f"{self.name}: with batch=day a batch is a day's windows; {asked} needs batch=fixed")
        scale, starts, listed = _SCALES[size], self.day_starts(size), _listed(size)
        history = scale.window - 1
        # Twice as many days of samples as a window is long: a third of what is read is history, read a second time.
        count = -(-(scale.days - history) // (2 * scale.window))
        ends = [history + (scale.days - history) * index // count for index in range(count + 1)]
        batch = None if self.batch == "day" else self.batch_size or scale.fixed_batch
        return with_batches(
            Block(
                start=starts[low - history],
                stop=starts[high],
                # Stocks are in the order of their listing: those with a full window come first.
                spans=tuple((starts[day], starts[day] + int(listed[day - history])) for day in range(low, high)),
                batch_rows=batch,
                drop_last=self.drop_last,
            )
            for low, high in pairwise(ends)
        )

    def rows(self, size: str, seed: int, start: int, stop: int) -> dict[str, NDArray[np.generic]]:
        scale, starts = _SCALES[size], np.array(self.day_starts(size))
        ids = np.arange(start, stop)
        day = np.searchsorted(starts, ids, side="right") - 1
        features = CounterRng(seed, _FEATURES, scale.features).normal(start, stop)
        features[:, 0] = _returns(seed, starts, start, stop)
        features[:, max(0, scale.features - self.constant_columns) :] = 1
        shares = CounterRng(seed, _SHARES, words=(MASKS + len(TARGETS)) // 2).uniform(start, stop)
        targets = _targets(features, CounterRng(seed, _NOISE, len(TARGETS)).normal(start, stop))
        targets[shares[:, MASKS:] < self.nan_ratio] = np.nan
        return {
            "row_id": ids.astype(np.uint64),
            "code": (ids - starts[day]).astype(np.int32),
            "day": day.astype(np.int32),
            "f": features,
            "m": shares[:, :MASKS] < np.array([0.98, 0.5, 0.05, 0.05], dtype=np.float32),
            **{name: np.ascontiguousarray(targets[:, column]) for column, name in enumerate(TARGETS)},
            "graph": self._graph(size, seed, starts, start, stop),
        }

    def _graph(self, size: str, seed: int, starts: NDArray[np.int64], start: int, stop: int) -> NDArray[np.int32]:
        window, listed = _SCALES[size].window, _listed(size)
        first, last = np.searchsorted(starts, [start, stop - 1], side="right") - 1
        oldest = int(starts[max(0, first - window + 1)])
        returns = _returns(seed, starts, oldest, int(starts[last + 1]))
        blocks = []
        for day in range(first, last + 1):
            since = day - window + 1
            codes = np.arange(listed[since] if since >= 0 else 0)
            history = returns[starts[max(0, since) : day + 1, None] + codes - oldest]
            blocks.append(day_neighbours(history, int(listed[day])))
        return np.concatenate(blocks)[start - starts[first] : stop - starts[first]]

    def derived(self, size: str) -> tuple[Field, ...]:
        del size
        return (Field("graph", "int64", "int64", (NEIGHBOURS,)),) if self.graph == "in_worker" else ()

    def derive(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        from feedrate.builtin.models.graph import neighbours

        return {"graph": neighbours(tensors["f"][:, :, 0], NEIGHBOURS)}

    def model(self, size: str) -> torch.nn.Module:
        from feedrate.builtin.models.panel import PanelNet

        scale = _SCALES[size]
        return PanelNet(
            features=scale.features,
            masks=MASKS,
            widths=(scale.width, scale.hidden),
            selection=self.selection,
            neighbours=NEIGHBOURS if self.graph == "in_step" else 0,
        )

    def loss(self, outputs: Any, tensors: Mapping[str, Tensor]) -> Tensor:
        import torch

        from feedrate.builtin.models.losses import pinball

        return pinball(outputs, torch.stack([tensors[name] for name in TARGETS], dim=1))

    def forecasts(self, outputs: Any, tensors: Mapping[str, Tensor]) -> Mapping[str, tuple[Tensor, Tensor]]:
        medians = outputs[:, :, outputs.shape[2] // 2]
        return {name: (medians[:, column], tensors[name]) for column, name in enumerate(TARGETS)}

    def optimizer(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        import torch

        return torch.optim.AdamW(parameters, lr=5e-4, fused=True)


def _listed(size: str) -> NDArray[np.int64]:
    """int64 (days,): stocks listed on each day. Five at first, all from a third of the days on; none ever leaves."""
    scale = _SCALES[size]
    grown = _FIRST_CODES + (scale.codes - _FIRST_CODES) * np.arange(scale.days) // (scale.days // 3)
    return np.minimum(grown, scale.codes)


def _returns(seed: int, starts: NDArray[np.int64], start: int, stop: int) -> NDArray[np.float32]:
    """float32 (stop - start,): the first feature, correlated among the stocks of a sector."""
    ids = np.arange(start, stop)
    day = np.searchsorted(starts, ids, side="right") - 1
    sector = CounterRng(seed, _SECTOR, _SECTORS).normal(int(day[0]), int(day[-1]) + 1)
    common: NDArray[np.float32] = sector[day - day[0], (ids - starts[day]) % _SECTORS]
    own = CounterRng(seed, _RETURNS, words=1).normal(start, stop)[:, 0]
    common *= np.float32(0.8)
    common += np.float32(0.6) * own
    return common


def _targets(features: NDArray[np.float32], noise: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32 (R, 4): each the sum of two features, and noise."""
    columns = np.arange(len(TARGETS))
    width = features.shape[1]
    first, second = (columns + 1) % width, (3 * columns + 2) % width
    noise *= np.float32(0.3)
    noise += np.float32(0.8) * features[:, first] + np.float32(0.5) * features[:, second]
    return noise

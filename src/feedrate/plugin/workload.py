"""A workload: a named task with its data, model, loss and optimizer."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from feedrate.errors import UsageError
from feedrate.plugin.strategy import Strategy, near

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor

    from feedrate.data.dataset import DataSet
    from feedrate.data.field import Cast, Field
    from feedrate.loading.batch_spec import BatchSpec
    from feedrate.loading.block import Block
    from feedrate.loading.plan import Plan

__all__ = ["OWN_SIZE", "SIZES", "SizedWorkload", "Workload"]

SIZES = ("tiny", "small", "full", "seed")
"""For tests; for two cores; for a GPU box; the source systems' real row counts."""
OWN_SIZE = "own"
"""Of what somebody else's files hold: all of it."""


@dataclass(frozen=True)
class Workload(Strategy):
    """A strategy that says what is loaded and trained. Only knobs named in `storage_knobs` change the files."""

    format: ClassVar[str]
    """Storage format: `arrow`, `parquet` or `hdf5`."""
    version: ClassVar[int]
    """Counts up whenever the generated content changes."""
    storage_knobs: ClassVar[tuple[str, ...]] = ()
    clip: ClassVar[float | None] = 1.0
    """Gradients are clipped to this norm; None: not at all."""
    sizes: ClassVar[tuple[str, ...]] = SIZES
    """In which it is there."""
    is_generated: ClassVar[bool] = True
    """False: its files are somebody's own, and never written."""
    has_columns: ClassVar[bool] = True
    """False: samples come from a data set's own code by index, not from columns of rows: see `DatasetWorkload`."""
    has_model: ClassVar[bool] = True
    """False: only steps that train nothing take its batches."""

    @abstractmethod
    def stored_fields(self, size: str) -> tuple[Field, ...]:
        """Give the columns on disk; the first is the row id."""

    @abstractmethod
    def row_groups(self, size: str) -> tuple[tuple[int, ...], ...]:
        """Give the rows of each record batch, row group or range of each file."""

    @abstractmethod
    def rows(self, size: str, seed: int, start: int, stop: int) -> dict[str, NDArray[np.generic]]:
        """Make the content of rows `start` to `stop`, by column: a pure, vectorised function of (seed, row)."""

    @property
    def storage(self) -> Mapping[str, str]:
        """Options of the storage format."""
        return {}

    def sample_fields(self, size: str) -> tuple[Field, ...]:
        """Give the tensors of a batch, the row id among them; unless overridden, the columns."""
        return self.stored_fields(size)

    @abstractmethod
    def blocks(self, size: str) -> tuple[Block, ...]:
        """Give the units of reading, in the order of the files."""

    def batch_samples(self, size: str) -> int:
        """Count the samples of the largest batch."""
        return max(block.max_batch_rows for block in self.blocks(size))

    @property
    def in_order(self) -> bool:
        """True: the task needs its samples in the order of the files."""
        return False

    @property
    def decoder(self) -> str:
        """Library that decodes, where the format offers several."""
        return ""

    @property
    def keeps_open(self) -> bool:
        """True: whoever reads leaves its files open; only of formats that can."""
        return False

    def day_starts(self, size: str) -> tuple[int, ...] | None:
        """Give the row where each day of a panel starts, and the end; None where every row is a day of its own."""
        del size
        return None

    def derived(self, size: str) -> tuple[Field, ...]:
        """Give the tensors that `derive` adds to a batch."""
        del size
        return ()

    def derive(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Do a loader's work on each batch, in the process that gathers; called only if `derived` names any tensor."""
        del tensors
        return {}

    @abstractmethod
    def model(self, size: str) -> torch.nn.Module:
        """Give a new model, called with a batch's tensors by name."""

    @abstractmethod
    def loss(self, outputs: Any, tensors: Mapping[str, Tensor]) -> Tensor:
        """Give the scalar loss of what the model returned for a batch."""

    def forecasts(self, outputs: Any, tensors: Mapping[str, Tensor]) -> Mapping[str, tuple[Tensor, Tensor]]:
        """Give each target that is a number by name: what the model says of it, and the target, on the same scale.

        Both (B,), or (B, H) with a column for each horizon; NaN where a target is not known. Whether a column is dead,
        and how predictions go together with it, is told from these. Unless overridden there are none.
        """
        del outputs, tensors
        return {}

    @abstractmethod
    def optimizer(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """Give the optimizer, without clipping: `trainer` adds it."""

    def trainer(self, model: torch.nn.Module) -> torch.optim.Optimizer:
        """Give the optimizer of the model's trainable parameters; its `step` clips gradients to `clip` first."""
        from torch.nn.utils import clip_grad_norm_

        parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = self.optimizer(parameters)
        limit = self.clip
        if limit is not None:

            def clip(*_: object) -> None:
                clip_grad_norm_(parameters, limit)

            optimizer.register_step_pre_hook(clip)
        return optimizer

    def own_size(self, asked: str) -> str:
        """Give the size asked for; of a workload that has but one, that."""
        return self.sizes[0] if len(self.sizes) == 1 else asked

    def at(self, size: str) -> SizedWorkload:
        """Give this workload at one size: what a data set is written from.

        Raises:
            UsageError: there is no such size.
        """
        if size not in self.sizes:
            raise UsageError(f"no size {size!r}; {near(size, self.sizes)}")
        return SizedWorkload(self, size)

    def plan(
        self,
        data: DataSet,
        size: str,
        *,
        epochs: int | None = 1,
        cast: Cast = "device",
        rank: int = 0,
        world_size: int = 1,
    ) -> Plan:
        """Plan in which order `data` is read and delivered; `epochs=None`: without end."""
        from feedrate.loading.order import BlockOrder
        from feedrate.loading.plan import Plan

        shuffle = not self.in_order
        order = BlockOrder(self.blocks(size), epochs, shuffle=shuffle, rank=rank, world_size=world_size)
        return Plan(data, self.batch_spec(size, cast), order)

    def batch_spec(self, size: str, cast: Cast = "device") -> BatchSpec:
        """Give what a batch of this workload is."""
        from feedrate.loading.batch_spec import BatchSpec

        derived = self.derived(size)
        derive = self.derive if derived else None
        return BatchSpec(
            *(self.sample_fields(size), cast, self.day_starts(size), self.decoder),
            *(self.keeps_open, derive, derived),
        )


@dataclass(frozen=True)
class SizedWorkload:
    """A workload at one size; the `DataSetSpec` of its data set."""

    workload: Workload
    size: str
    seed: int = 20_240_601

    @property
    def identity(self) -> dict[str, str]:
        """Everything that the content of the files depends on."""
        knobs = {name: str(self.workload.knobs[name]) for name in self.workload.storage_knobs}
        base = {"workload": self.workload.name, "size": self.size, "seed": str(self.seed)}
        schema = repr((self.fields, self.groups)).encode()
        digest = hashlib.blake2b(schema, digest_size=8).hexdigest()
        return base | {"generator version": str(self.workload.version), "schema": digest} | knobs

    @property
    def folder_name(self) -> str:
        """Name of the data set's folder: the workload, the size, and the stored knobs that are not at their default."""
        defaults, knobs = self.workload.defaults(), self.workload.knobs
        changed = [f"{name}={knobs[name]}" for name in self.workload.storage_knobs if knobs[name] != defaults[name]]
        return "-".join([self.workload.name, self.size, *changed])

    @property
    def format(self) -> str:
        """Storage format."""
        return self.workload.format

    @property
    def storage(self) -> Mapping[str, str]:
        """Options of the format."""
        return self.workload.storage

    @property
    def fields(self) -> tuple[Field, ...]:
        """The columns on disk."""
        return self.workload.stored_fields(self.size)

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """Rows of each group of each file."""
        return self.workload.row_groups(self.size)

    def rows(self, start: int, stop: int) -> dict[str, NDArray[np.generic]]:
        """Make the content of rows `start` to `stop`."""
        return self.workload.rows(self.size, self.seed, start, stop)

    def write_shard(self, path: Path, number: int, start: int) -> None:
        """See `DataSetSpec`."""
        from feedrate.data.writer import write_rows

        write_rows(path, self, number, start)

    def open(self, root: Path) -> DataSet:
        """Open the data set below `root`.

        Raises:
            DataError: it is missing, damaged or was made from something else.
        """
        from feedrate.data.dataset import DataSet

        return DataSet.open(root / self.folder_name, self)

"""boardmoves: shogi positions in Arrow IPC files, with list columns and labels 1,496 wide."""

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

__all__ = ["BoardMoves"]

SQUARES, HAND, MOVES, PIECES = 81, 14, 1_496, 31
_PLANES = MOVES // SQUARES
_POSITIONS, _HOLES = 1, 2  # streams of `CounterRng`


class _Scale(NamedTuple):
    run_rows: int
    """Rows of a small file, and of the run of record batches in a large file that stands for one."""
    runs: int
    large_files: int
    batch: int
    vit: tuple[int, int, int]
    """Width, layers, heads."""
    resnet: tuple[int, ...]
    """Channels of each stage."""


_VIT, _RESNET = (512, 6, 8), (256, 512, 1_024, 2_048)
_SCALES = {
    "tiny": _Scale(256, 8, 2, 64, (32, 1, 2), (8, 16)),
    "small": _Scale(2_500, 16, 2, 256, (32, 2, 4), (16, 32, 64, 128)),
    "full": _Scale(100_000, 40, 4, 1_024, _VIT, _RESNET),
    "seed": _Scale(100_000, 404, 40, 1_024, _VIT, _RESNET),
}


@dataclass(frozen=True)
class BoardMoves(Workload):
    """Predict the legal moves of a position, or the move played and who wins."""

    name = "boardmoves"
    format: ClassVar[str] = "arrow"
    version: ClassVar[int] = 1
    storage_knobs: ClassVar[tuple[str, ...]] = (
        "layout", "lists", "compression", "record_batches", "nan_ratio", "constant_columns",
    )  # fmt: skip

    layout: str = knob("many_small", "few_large")
    lists: str = knob("fixed", "variable")
    """Arrow type of the wide columns: fixed-size lists or lists with offsets."""
    compression: str = knob("lz4", "zstd", "none")
    record_batches: int = knob(2, low=1, high=256)
    """Record batches in a small file, or in a run that stands for one in a large file."""
    nan_ratio: float = knob(0.0, low=0, high=0.9)
    """Share of values (who wins) that are NaN; the loss leaves them out."""
    constant_columns: int = knob(0, low=0, high=HAND)
    """How many of the 14 counts in hand never change."""
    concat_files: int = knob(1, 10, low=1, high=1_000)
    """Small files, or runs in a large file, that make a block: batches are shuffled across them."""
    net: str = knob("vit", "resnet")
    """A transformer that is bound by arithmetic, or a residual network that is bound by launches and loading."""
    head: str = knob("legal", "policy_value")
    trainable: str = knob("all", "last_two", "head")
    """Which layers learn: all, the last two and the head, the head alone."""
    batch_size: int | None = knob(None, low=1, high=1 << 24)
    """Samples of a batch, at most those of a block; auto: 64, 256 and 1,024 by size."""
    order: str = knob("shuffled", "sequential")
    """`sequential` delivers samples in the order of the files."""
    drop_last: bool = knob(False, True)
    """Leave out what is left of a block when it is cut into whole batches: other samples in each epoch."""

    def stored_fields(self, size: str) -> tuple[Field, ...]:
        del size
        return (
            Field("row_id", "uint64", "int64"),
            Field("board", "uint8", "int64", (SQUARES,)),
            Field("hand", "uint8", "float32", (HAND,)),
            Field("legal", "uint8", "float32", (MOVES,)),
            Field("policy", "float32", "float32", (MOVES,)),
            Field("value", "float32", "float32"),
        )

    def row_groups(self, size: str) -> tuple[tuple[int, ...], ...]:
        scale = _SCALES[size]
        ends = [scale.run_rows * index // self.record_batches for index in range(self.record_batches + 1)]
        run = tuple(high - low for low, high in pairwise(ends))
        files = scale.runs if self.layout == "many_small" else scale.large_files
        runs = [scale.runs * index // files for index in range(files + 1)]
        return tuple(run * (high - low) for low, high in pairwise(runs))

    @property
    def storage(self) -> Mapping[str, str]:
        return {"compression": self.compression, "lists": self.lists}

    def sample_fields(self, size: str) -> tuple[Field, ...]:
        labels = ("legal",) if self.head == "legal" else ("policy", "value")
        return tuple(field for field in self.stored_fields(size) if field.name in ("row_id", "board", "hand", *labels))

    @property
    def in_order(self) -> bool:
        return self.order == "sequential"

    def blocks(self, size: str) -> tuple[Block, ...]:
        from feedrate.loading.block import Block, with_batches

        scale = _SCALES[size]
        rows, step = scale.run_rows * scale.runs, scale.run_rows * self.concat_files
        spans = [(low, min(low + step, rows)) for low in range(0, rows, step)]
        batch = self.batch_size or scale.batch
        drop = self.drop_last
        return with_batches(Block(low, high, ((low, high),), batch, drop_last=drop) for low, high in spans)

    def rows(self, size: str, seed: int, start: int, stop: int) -> dict[str, NDArray[np.generic]]:
        del size
        raw = CounterRng(seed, _POSITIONS, words=12).bytes(start, stop)
        chance = raw[:, SQUARES + HAND]
        # Early positions hold pieces 0 to 15, late ones 15 to 30: what a network learns first.
        board = (raw[:, :SQUARES] >> 4) + np.uint8(15) * (chance >> 7)[:, None]
        hand = raw[:, SQUARES : SQUARES + HAND] & np.uint8(7)
        hand[:, : self.constant_columns] = 1
        legal = _legal(board, hand)
        value = _VALUES[_WEIGHTS[board].sum(axis=1, dtype=np.int32) - _LOWEST]
        if self.nan_ratio:
            holes = CounterRng(seed, _HOLES, words=1).uniform(start, stop)[:, 0] < self.nan_ratio
            value[holes] = np.nan
        return {
            "row_id": np.arange(start, stop, dtype=np.uint64),
            "board": board,
            "hand": hand,
            "legal": legal,
            "policy": _policy(legal, two=(chance & 1).astype(np.bool_)),
            "value": value,
        }

    def model(self, size: str) -> torch.nn.Module:
        from feedrate.builtin.models.freezing import freeze
        from feedrate.builtin.models.resnet import ResNet
        from feedrate.builtin.models.vit import VisionTransformer

        scale = _SCALES[size]
        labels = ("legal",) if self.head == "legal" else ("policy", "value")
        net = VisionTransformer(*scale.vit, labels) if self.net == "vit" else ResNet(scale.resnet, labels)
        return freeze(net, self.trainable)

    def loss(self, outputs: Any, tensors: Mapping[str, Tensor]) -> Tensor:
        from feedrate.builtin.models.losses import board_loss

        return board_loss(outputs, tensors)

    def forecasts(self, outputs: Any, tensors: Mapping[str, Tensor]) -> Mapping[str, tuple[Tensor, Tensor]]:
        shares = {
            name: logits.softmax(dim=1) if name == "policy" else logits.sigmoid() for name, logits in outputs.items()
        }
        return {name: (predicted, tensors[name]) for name, predicted in shares.items()}

    def optimizer(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        import torch

        return torch.optim.AdamW(parameters, lr=1e-3, fused=True)


_WANTED = np.array([*range(1, 10), *range(16, 25)], dtype=np.uint8)
"""Pieces that can move: nine early ones, nine late ones."""


def _legal(board: NDArray[np.uint8], hand: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8 (R, 1496): move 81 p + s asks for the p-th wanted piece on square s; the last 38 ask for three in hand."""
    legal = np.empty((len(board), MOVES), dtype=np.uint8)
    on_board = legal[:, : _PLANES * SQUARES].reshape(-1, _PLANES, SQUARES)
    np.equal(board[:, None, :], _WANTED[:, None], out=on_board.view(np.bool_))
    drops = np.arange(MOVES - _PLANES * SQUARES) % HAND
    legal[:, _PLANES * SQUARES :] = hand[:, drops] == 3
    return legal


def _policy(legal: NDArray[np.uint8], *, two: NDArray[np.bool_]) -> NDArray[np.float32]:
    """float32 (R, 1496): the first legal move, and in the rows `two` also the last, which gets a quarter."""
    policy = np.zeros(legal.shape, dtype=np.float32)
    moves, every = legal.view(np.bool_), np.arange(len(legal))
    first, last = moves.argmax(axis=1), MOVES - 1 - moves[:, ::-1].argmax(axis=1)
    policy[every, first] = 1 - 0.25 * two
    policy[every, last] += np.float32(0.25) * two
    return policy


# Who wins follows from the sum of the pieces' weights. A table, so that a value never depends on how many are computed
# at once, as vectorised exponentials may.
_WEIGHTS = (np.arange(PIECES) * 7 % PIECES - PIECES // 2).astype(np.int16)
_LOWEST = int(_WEIGHTS.min()) * SQUARES
_HIGHEST = int(_WEIGHTS.max()) * SQUARES
_VALUES = (1 / (1 + np.exp(np.arange(_LOWEST, _HIGHEST + 1) / -60))).astype(np.float32)

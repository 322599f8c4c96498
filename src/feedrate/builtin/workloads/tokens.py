"""tokens: documents of different lengths in Arrow files, tokenised as they are asked for, for a small GPT."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from feedrate.builtin.workloads._texts import BEYOND, WORDS
from feedrate.plugin.dataset_workload import DatasetWorkload
from feedrate.plugin.strategy import knob

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from torch import Tensor

    from feedrate.builtin.workloads._documents import Documents

__all__ = ["Tokens"]


class _Scale(NamedTuple):
    files: int
    documents: int
    """In each file."""
    context: int
    """Tokens of a document that are used at most."""
    batch: int
    width: int
    depth: int


_SCALES = {
    "tiny": _Scale(3, 32, 128, 8, 32, 1),
    "small": _Scale(4, 1_000, 256, 16, 64, 2),
    "full": _Scale(16, 12_500, 512, 64, 512, 8),
}
_HEADS = 4


@dataclass(frozen=True)
class Tokens(DatasetWorkload):
    """Predict the next word: documents of Arrow files (Feather), tokenised on the fly, for a small GPT.

    A batch is as long as its longest document, or with `pad=context` as long as any may be.
    """

    name = "tokens"
    format: ClassVar[str] = "feather"
    sizes: ClassVar[tuple[str, ...]] = tuple(_SCALES)
    is_generated: ClassVar[bool] = True
    on_request = True

    batch_size: int | None = knob(None, low=1, high=1 << 24)
    """None: 8, 16 and 64 by size."""
    pad: str = knob("longest", "context")

    def size_batch(self, size: str) -> int:
        return _SCALES[size].batch

    def row_groups(self, size: str) -> tuple[tuple[int, ...], ...]:
        return ((_SCALES[size].documents,),) * _SCALES[size].files

    def write_file(self, path: Path, size: str, seed: int, number: int) -> None:
        from feedrate.builtin.workloads._texts import write_texts

        count = _SCALES[size].documents
        write_texts(path, seed, number * count, (number + 1) * count)

    def dataset(self, size: str, folder: Path) -> Documents:
        from feedrate.builtin.workloads._documents import Documents

        scale = _SCALES[size]
        return Documents(folder, scale.files, scale.context, padded=self.pad == "context")

    def collate(self, samples: list[Any]) -> dict[str, Tensor]:
        """Give `tokens` and `next_tokens`, both int64 (B, S), the places beyond the end of a document told apart."""
        from torch.nn.utils.rnn import pad_sequence

        tokens, following = (list(column) for column in zip(*samples, strict=True))
        return {
            "tokens": pad_sequence(tokens, batch_first=True),
            "next_tokens": pad_sequence(following, batch_first=True, padding_value=BEYOND),
        }

    def model(self, size: str) -> torch.nn.Module:
        from feedrate.builtin.models.gpt import Gpt

        scale = _SCALES[size]
        return Gpt(WORDS, scale.context, scale.width, scale.depth, _HEADS)

    def loss(self, outputs: Any, tensors: Mapping[str, Tensor]) -> Tensor:
        from torch.nn import functional as F

        return F.cross_entropy(outputs.flatten(0, 1), tensors["next_tokens"].flatten(), ignore_index=BEYOND)

    def optimizer(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        import torch

        return torch.optim.AdamW(parameters, lr=1e-3, fused=True)

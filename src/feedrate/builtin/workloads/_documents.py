"""Read documents as a training does: mapped, found by number, split to words, and those looked up."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from feedrate.builtin.workloads._texts import BEYOND, vocabulary
from feedrate.data.manifest import shard_name
from feedrate.errors import DataError

__all__ = ["Documents"]


class Documents(Dataset[tuple[Tensor, Tensor]]):
    """The documents of `files` Arrow files: of each its first `context` tokens, and the ones that follow them."""

    def __init__(self, folder: Path, files: int, context: int, *, padded: bool) -> None:
        """Map all files.

        Raises:
            DataError: one is missing, damaged or none of ours.
        """
        self.texts = pa.chunked_array(
            [chunk for n in range(files) for chunk in _texts(folder / shard_name(n, "feather"))]
        )
        self.numbers = {word: number for number, word in enumerate(vocabulary())}
        self.context, self.padded = context, padded

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Give two of int64 (S,): S is `context` where samples are padded, else that of the document, at most that."""
        words = self.texts[index].as_py().split()[: self.context + 1]
        numbers = torch.tensor([self.numbers[word] for word in words])
        beyond = self.context + 1 - len(words) if self.padded else 0
        return F.pad(numbers[:-1], (0, beyond)), F.pad(numbers[1:], (0, beyond), value=BEYOND)


def _texts(path: Path) -> list[pa.Array]:
    try:
        with pa.memory_map(str(path)) as source:
            table = pa.ipc.open_file(source).read_all()
        return list(table["text"].chunks)
    except FileNotFoundError:
        raise DataError(f"{path}: is missing") from None
    except (OSError, LookupError, ValueError) as error:
        raise DataError(f"{path}: holds no documents that feedrate wrote ({error})") from error

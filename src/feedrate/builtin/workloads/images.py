"""images: a folder of JPEG files that are decoded, cropped, flipped and normalised, for ResNet-18."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from feedrate.data.field import ROW_ID, Field
from feedrate.plugin.dataset_workload import DatasetWorkload
from feedrate.plugin.strategy import knob, package

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from torch import Tensor

    from feedrate.builtin.workloads._photographs import Photographs

__all__ = ["Images"]

CLASSES = 10


class _Scale(NamedTuple):
    images: int
    side: int
    """Pixels of a stored picture's shorter side; the other is a quarter longer."""
    crop: int
    batch: int
    width: int
    """Channels of the network's first stage."""


_SCALES = {
    "tiny": _Scale(40, 40, 32, 8, 8),
    "small": _Scale(2_000, 160, 128, 32, 16),
    "full": _Scale(20_000, 256, 224, 256, 64),
}


@dataclass(frozen=True)
class Images(DatasetWorkload):
    """Classify pictures: a file of JPEG each, decoded by Pillow, cropped and flipped at random, for ResNet-18."""

    name = "images"
    format: ClassVar[str] = "jpeg"
    sizes: ClassVar[tuple[str, ...]] = tuple(_SCALES)
    is_generated: ClassVar[bool] = True
    on_request = True
    needs = (package("PIL", "'feedrate[images]'"),)

    batch_size: int | None = knob(None, low=1, high=1 << 24)
    """None: 8, 32 and 256 by size."""

    def size_batch(self, size: str) -> int:
        return _SCALES[size].batch

    def stored_fields(self, size: str) -> tuple[Field, ...]:
        side = _SCALES[size].side
        pixels = Field("image", "uint8", "float32", (side, side + side // 4, 3))
        return Field(ROW_ID, "int64", "int64"), pixels, Field("label", "int64", "int64")

    def row_groups(self, size: str) -> tuple[tuple[int, ...], ...]:
        return ((1,),) * _SCALES[size].images

    def write_file(self, path: Path, size: str, seed: int, number: int) -> None:
        from feedrate.builtin.workloads._pictures import photograph

        side, label = _SCALES[size].side, number % CLASSES
        picture = photograph(seed, number, (side + side // 4, side), label / CLASSES)
        picture.save(path, "JPEG", quality=85, comment=str(label).encode())

    def dataset(self, size: str, folder: Path) -> Photographs:
        from feedrate.builtin.workloads._photographs import Photographs

        return Photographs(folder, _SCALES[size].images, _SCALES[size].crop)

    def model(self, size: str) -> torch.nn.Module:
        from feedrate.builtin.models.resnet18 import ResNet18

        return ResNet18(CLASSES, _SCALES[size].width)

    def loss(self, outputs: Any, tensors: Mapping[str, Tensor]) -> Tensor:
        from torch.nn import functional as F

        return F.cross_entropy(outputs, tensors["label"])

    def optimizer(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        import torch

        return torch.optim.SGD(parameters, lr=0.05, momentum=0.9, weight_decay=1e-4)

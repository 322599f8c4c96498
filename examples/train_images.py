"""A training on a folder of JPEG files as people write it: `python train_images.py FOLDER [WORKERS]`.

It knows nothing of feedrate. `feedrate data make images` writes such a folder, each file with its class as a comment.
"""

from __future__ import annotations

import random
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

CROP = 128
MEAN = np.array((0.485, 0.456, 0.406), np.float32)
DEVIATION = np.array((0.229, 0.224, 0.225), np.float32)


class Photos(Dataset[tuple[Tensor, int]]):
    """Decode, crop, flip and normalise the photo that is asked for."""

    def __init__(self, folder: Path) -> None:
        self.files = sorted(folder.glob("*.jpeg"))

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        with Image.open(self.files[index]) as photo:
            label = int(photo.info["comment"])
            left, top = random.randint(0, photo.width - CROP), random.randint(0, photo.height - CROP)
            pixels = np.asarray(photo.convert("RGB").crop((left, top, left + CROP, top + CROP)))
        if random.random() < 0.5:
            pixels = pixels[:, ::-1]
        values = (pixels.astype(np.float32) / 255 - MEAN) / DEVIATION
        return torch.from_numpy(values.transpose(2, 0, 1).copy()), label


class Block(nn.Module):
    """Two convolutions beside a way around them."""

    def __init__(self, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        self.inside = nn.Sequential(
            *(nn.Conv2d(inner, outer, 3, stride, 1, bias=False), nn.BatchNorm2d(outer), nn.ReLU()),
            *(nn.Conv2d(outer, outer, 3, 1, 1, bias=False), nn.BatchNorm2d(outer)),
        )
        self.around = nn.Conv2d(inner, outer, 1, stride, bias=False) if inner != outer else nn.Identity()

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = nn.functional.relu(self.inside(inputs) + self.around(inputs))
        return outputs


def resnet18(width: int = 8, classes: int = 10) -> nn.Module:
    """Eight blocks in four stages, with an eighth of the usual channels."""
    start = [nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    sizes = [width, width, width, 2 * width, 2 * width, 4 * width, 4 * width, 8 * width, 8 * width]
    blocks = [Block(inner, outer, 1 + (inner != outer)) for inner, outer in pairwise(sizes)]
    return nn.Sequential(*start, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8 * width, classes))


def main(folder: Path, workers: int) -> None:
    """Train for ten epochs."""
    torch.set_num_threads(1)
    loader = DataLoader(Photos(folder), batch_size=32, shuffle=True, num_workers=workers)
    model = resnet18()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for epoch in range(10):
        correct = 0
        for photos, labels in loader:
            outputs = model(photos)
            loss = nn.functional.cross_entropy(outputs, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            correct += int((outputs.argmax(1) == labels).sum())
        print(f"epoch {epoch}: {correct / len(loader.dataset):.0%} right")  # type: ignore[arg-type]


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)

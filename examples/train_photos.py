"""A training as people write it, that knows nothing of feedrate: `feedrate why -- python train_photos.py`.

Photos lie compressed in memory; each is decompressed, cropped, flipped and normalised when it is asked for.
"""

from __future__ import annotations

import sys
import zlib

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

SIDE, CROP = 96, 64


class Photos(Dataset[tuple[Tensor, int]]):
    """Photos of waves in two directions, and which direction it is."""

    def __init__(self, count: int) -> None:
        random = np.random.default_rng(0)
        waves = np.linspace(0, 20, SIDE)
        self.files = []
        for index in range(count):
            wave = 120 + 80 * np.sin(waves + random.uniform(0, 6))
            photo = np.broadcast_to(wave, (3, SIDE, SIDE)) + random.integers(0, 30, (3, SIDE, SIDE))
            photo = photo if index % 2 else photo.swapaxes(1, 2)
            self.files.append(zlib.compress(photo.astype(np.uint8).tobytes()))

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        photo = np.frombuffer(zlib.decompress(self.files[index]), np.uint8).reshape(3, SIDE, SIDE)
        top, left = torch.randint(SIDE - CROP, (2,)).tolist()
        photo = photo[:, top : top + CROP, left : left + CROP]
        if torch.rand(()) < 0.5:
            photo = photo[:, :, ::-1]
        values = photo.astype(np.float32)
        return torch.from_numpy((values - values.mean()) / values.std()), index % 2


def main(epochs: int) -> None:
    """Train for so many epochs."""
    torch.set_num_threads(1)
    loader = DataLoader(Photos(2000), batch_size=64, shuffle=True)
    model = nn.Sequential(
        *(nn.Conv2d(3, 16, 5, stride=4), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 2)),
    )
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    for epoch in range(epochs):
        correct = 0
        for photos, labels in loader:
            outputs = model(photos)
            loss = nn.functional.cross_entropy(outputs, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            correct += int((outputs.argmax(1) == labels).sum())
        print(f"epoch {epoch}: {correct / 2000:.0%} right")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)

"""Steps of a fraction of a millisecond take several, whatever the model is.

The display is drawn again in each of them; the twin's once a second.
"""

from __future__ import annotations

import time

import torch
from rich.console import Console
from rich.progress import Progress
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, SequentialSampler, TensorDataset
from training import cured, train


def main() -> None:
    """Train beside a bar."""
    data = TensorDataset(torch.rand(20_000, 8))
    with Progress(console=Console(force_terminal=True), auto_refresh=False) as progress:
        task, drawn_s = progress.add_task("train", total=None), 0.0

        def draw(inputs: Tensor) -> None:
            nonlocal drawn_s
            progress.advance(task)
            if not cured() or time.monotonic() - drawn_s > 1:
                progress.refresh()
                drawn_s = time.monotonic()

        train(DataLoader(data, batch_size=None, sampler=BatchSampler(SequentialSampler(data), 64, False)), draw)


if __name__ == "__main__":
    main()

"""Memory climbs with every step until the process dies; the loader alone is flat.

A running sum of losses keeps the graph of each of them; the twin detaches the loss.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from training import cured, train


def main() -> None:
    """Train, and add up a loss for the log."""
    model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 1))
    total = torch.zeros(())

    def add_loss(inputs: Tensor) -> None:
        nonlocal total
        loss = model(inputs).pow(2).mean()
        loss.backward(retain_graph=True)
        total = total + (loss.detach() if cured() else loss)

    train(DataLoader(TensorDataset(torch.rand(20_000, 64)), 128, shuffle=True), add_loss)


if __name__ == "__main__":
    main()

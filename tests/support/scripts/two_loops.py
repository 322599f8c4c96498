"""A training in two loops, and a look at other data before them: steps of 2 ms, then of 12 ms."""

import sys
import time

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

STEPS_MS = (2, 12)


def main(batches: int) -> None:
    torch.set_num_threads(1)
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), 1e-9)
    loader = DataLoader(TensorDataset(torch.arange(64.0 * batches)[:, None]), 64)

    def step(inputs: Tensor, ms: float) -> None:
        time.sleep(ms / 1000)
        optimizer.zero_grad()
        model(inputs).pow(2).mean().backward()
        optimizer.step()

    for _ in loader:
        pass
    for (inputs,) in loader:
        step(inputs, STEPS_MS[0])
    for (inputs,) in loader:
        step(inputs, STEPS_MS[1])


if __name__ == "__main__":
    main(int(sys.argv[1]))

"""A training whose loader and step sleep: 64 items of 0.1 ms a batch, and a step of 10 ms."""

import sys
import time

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset


class Numbers(Dataset[tuple[Tensor, Tensor]]):
    def __len__(self) -> int:
        return 640

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        time.sleep(1e-4)
        return torch.full((8,), float(index)), torch.tensor(1.0)


def main(epochs: int) -> None:
    torch.set_num_threads(1)
    model = nn.Linear(8, 1)
    optimizer = torch.optim.SGD(model.parameters(), 1e-9)
    for epoch in range(epochs):
        for inputs, targets in DataLoader(Numbers(), batch_size=64, shuffle=True):
            time.sleep(0.01)
            optimizer.zero_grad()
            (model(inputs)[:, 0] - targets).pow(2).mean().backward()
            optimizer.step()
        print("epoch", epoch, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))

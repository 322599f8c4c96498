"""A training whose loading, 8 items of 4 ms a batch, hides behind a step that takes longer, given a worker."""

import sys
import time
from types import ModuleType

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

# The first optimizer imports torch's compiler: three seconds of a processor, and nothing is compiled here.
sys.modules["torch._dynamo"] = compiler = ModuleType("torch._dynamo")
vars(compiler).update(disable=lambda function, *_, **__: function, graph_break=lambda: None)
torch._dynamo = compiler

ITEM_S = 4e-3


class Numbers(Dataset[tuple[Tensor, Tensor]]):
    def __len__(self) -> int:
        return 4000

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        time.sleep(ITEM_S)
        return torch.full((8,), float(index)), torch.tensor(1.0)


def main(workers: int, step_s: float) -> None:
    torch.set_num_threads(1)
    model = nn.Linear(8, 1)
    optimizer = torch.optim.SGD(model.parameters(), 1e-9)
    while True:
        for inputs, targets in DataLoader(Numbers(), batch_size=8, num_workers=workers):
            time.sleep(step_s)
            optimizer.zero_grad()
            (model(inputs)[:, 0] - targets).pow(2).mean().backward()
            optimizer.step()


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))

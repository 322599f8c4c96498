"""A loop with a validation within and a test at the end, each with its loader."""

import pace
import torch
from torch import nn
from torch.utils.data import DataLoader


def accuracy(net: nn.Module, loader: DataLoader[tuple[torch.Tensor, torch.Tensor]]) -> float:
    """Give the share of items that the net gets right."""
    net.eval()
    with torch.inference_mode():
        right = [(net(features).argmax(1) == classes).float().mean() for features, classes in loader]
    net.train()
    return float(torch.stack(right).mean())


if __name__ == "__main__":
    training, validation, test = (
        DataLoader(pace.Items(count), batch_size=pace.BATCH, shuffle=True, num_workers=workers)
        for count, workers in ((400, 1), (16, 1), (16, 0))
    )
    net = pace.Net()
    optimizer = torch.optim.Adam(net.parameters())
    print("before", accuracy(net, validation))
    for epoch in range(100):
        for number, (features, classes) in enumerate(training):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(features), classes).backward()
            optimizer.step()
            if number % 40 == 39:
                print(epoch, number, accuracy(net, validation))
    print("test", accuracy(net, test))

"""One of several ranks that train one model; the last rank's items take twice as long."""

import os
import time

import pace
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler


class Uneven(pace.Items):
    """Items that are slower for the last rank."""

    def __getitem__(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        if int(os.environ["RANK"]) == int(os.environ["WORLD_SIZE"]) - 1:
            time.sleep(pace.ITEM_S)
        return super().__getitem__(number)


if __name__ == "__main__":
    dist.init_process_group("gloo")
    items = Uneven()
    loader = DataLoader(items, batch_size=pace.BATCH, sampler=DistributedSampler(items))
    net = DistributedDataParallel(pace.Net())
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    for features, classes in loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(features), classes).backward()
        optimizer.step()
    dist.destroy_process_group()

"""A loop by hand over what accelerate prepared."""

import pace
import torch
from accelerate import Accelerator
from torch import nn
from torch.utils.data import DataLoader

if __name__ == "__main__":
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
    net = pace.Net()
    net, optimizer, loader = accelerator.prepare(
        net, torch.optim.AdamW(net.parameters()), DataLoader(pace.Items(), batch_size=pace.BATCH, num_workers=1)
    )
    for features, classes in loader:
        with accelerator.accumulate(net):
            accelerator.backward(nn.functional.cross_entropy(net(features), classes))
            optimizer.step()
            optimizer.zero_grad()

"""Goes through its batches, and trains nothing."""

import pace
from torch.utils.data import DataLoader

if __name__ == "__main__":
    net = pace.Net()
    for features, _ in DataLoader(pace.Items(40), batch_size=pace.BATCH):
        net(features)

"""Catches whatever its loop may raise, and goes on."""

import pace
from torch.utils.data import DataLoader

if __name__ == "__main__":
    loader = DataLoader(pace.Items(), batch_size=pace.BATCH)
    for _ in range(1000):
        try:
            pace.train(loader)
        except Exception as error:
            print("going on after", error)

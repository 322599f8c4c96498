"""Works in another folder than the one it is started in."""

import os
import sys

import pace
from torch.utils.data import DataLoader

if __name__ == "__main__":
    os.chdir(sys.argv[1])
    pace.train(DataLoader(pace.Items(), batch_size=pace.BATCH, num_workers=1, multiprocessing_context="spawn"))

"""A loop by hand, with options."""

import argparse
from itertools import chain, islice

import pace
from torch.utils.data import DataLoader

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--context")
    parser.add_argument("--every", type=int, default=1, help="batches to a step of the optimizer")
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--most", type=int, help="batches of an epoch at most")
    parser.add_argument("--epochs", type=int, default=1000)
    options = parser.parse_args()
    loader = DataLoader(
        pace.Items(options.items),
        batch_size=pace.BATCH,
        shuffle=True,
        num_workers=options.workers,
        multiprocessing_context=options.context,
    )
    epochs = (islice(loader, options.most) for _ in range(options.epochs))
    pace.train(chain.from_iterable(epochs), options.every)

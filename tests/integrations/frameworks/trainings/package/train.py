"""Train, as `python -m package.train`."""

from torch.utils.data import DataLoader

from .data import Ours

if __name__ == "__main__":
    import pace

    pace.train(DataLoader(Ours(), batch_size=pace.BATCH))

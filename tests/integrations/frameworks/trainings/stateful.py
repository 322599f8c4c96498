"""torchdata's loader, whose state is saved now and then."""

from collections.abc import Iterator

import pace
import torch
from torchdata.stateful_dataloader import StatefulDataLoader

if __name__ == "__main__":
    loader = StatefulDataLoader(pace.Items(), batch_size=pace.BATCH, num_workers=1, snapshot_every_n_steps=10)

    def batches() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Give the batches, and keep the state of the loader."""
        states = []
        for number, batch in enumerate(loader):
            if number % 50 == 0:
                states.append(loader.state_dict())
            yield batch

    pace.train(batches())

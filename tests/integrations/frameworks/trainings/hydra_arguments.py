"""Takes its arguments from Hydra."""

import hydra
import pace
from omegaconf import DictConfig
from torch.utils.data import DataLoader


@hydra.main(version_base=None, config_path=None)
def main(options: DictConfig) -> None:
    """Train."""
    pace.train(DataLoader(pace.Items(), batch_size=pace.BATCH, num_workers=options.workers))


if __name__ == "__main__":
    main()

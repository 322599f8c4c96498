"""Lightning's Trainer with automatic optimization, and a validation after each epoch."""

import lightning
import pace
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader


class Module(lightning.LightningModule):
    """The net, and what Lightning asks of it."""

    def __init__(self) -> None:
        super().__init__()
        self.net = pace.Net()

    def training_step(self, batch: tuple[Tensor, Tensor], number: int) -> Tensor:
        """Give the loss."""
        features, classes = batch
        loss = nn.functional.cross_entropy(self.net(features), classes)
        self.log("loss", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], number: int) -> None:
        """Note the loss."""
        features, classes = batch
        self.log("val_loss", nn.functional.cross_entropy(self.net(features), classes))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Give what trains."""
        return torch.optim.SGD(self.parameters(), lr=0.01)


if __name__ == "__main__":
    loaders = [DataLoader(pace.Items(count), batch_size=pace.BATCH) for count in (160, 16)]
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    lightning.Trainer(accelerator="cpu", max_epochs=200, **quiet).fit(Module(), *loaders)

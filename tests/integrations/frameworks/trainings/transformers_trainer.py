"""Transformers' Trainer on a random model, with an evaluation now and then."""

import sys

import pace
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from transformers import Trainer, TrainingArguments


class Rows(Dataset[dict[str, Tensor]]):
    """The items, as a Trainer wants them."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        features, label = pace.item(number)
        return {"features": features, "labels": label}


class Model(nn.Module):
    """The net, as a Trainer wants it."""

    def __init__(self) -> None:
        super().__init__()
        self.net = pace.Net()

    def forward(self, features: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Give the loss, too."""
        scores = self.net(features)
        return {"loss": nn.functional.cross_entropy(scores, labels), "logits": scores}


if __name__ == "__main__":
    torch.manual_seed(0)
    arguments = TrainingArguments(
        output_dir=sys.argv[1],
        per_device_train_batch_size=pace.BATCH,
        gradient_accumulation_steps=int(sys.argv[2]),
        eval_strategy="steps",
        eval_steps=40,
        save_strategy="no",
        num_train_epochs=100,
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
    )
    Trainer(model=Model(), args=arguments, train_dataset=Rows(400), eval_dataset=Rows(16)).train()

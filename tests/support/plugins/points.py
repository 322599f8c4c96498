"""A workload over a map-style data set: nested batches of several dtypes, with noise that follows from the epoch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feedrate import DatasetWorkload, hookimpl, knob, sample_generator
from feedrate.plugin.workload import Workload

if TYPE_CHECKING:
    import torch
    from torch import Tensor

COUNT = 203


class PointSet:
    """Points of six numbers, and something near their mean, which nobody learns to the end."""

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> dict[str, Any]:
        import torch

        noise = float(sample_generator(index).normal())
        x = torch.arange(6, dtype=torch.uint8) * (index % 7)
        return {"x": x, "y": x.float().mean() / 10 + index % 3 / 5, "more": (index % 2 == 0, {"noise": noise})}


@dataclass(frozen=True)
class Points(DatasetWorkload):
    name = "points"
    batch_size: int = knob(16, low=1, high=1_000)

    def dataset(self, size: str, folder: Path) -> Any:
        return PointSet()

    def model(self, size: str) -> torch.nn.Module:
        from sums_model import Guess

        return Guess()

    def loss(self, outputs: Any, tensors: Mapping[str, Tensor]) -> Tensor:
        miss: Tensor = outputs - tensors["y"]
        return (miss**2).mean()

    def optimizer(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        from torch.optim import SGD

        return SGD(parameters, lr=0.05)


@dataclass(frozen=True)
class Lists(Points):
    """Batches of many lists: as long as the longest, fetched many at a time, and one tensor that has no axis."""

    name = "lists"

    def dataset(self, size: str, folder: Path) -> Any:
        return ManyLists()

    def collate(self, samples: list[Any]) -> Any:
        from torch.nn.utils.rnn import pad_sequence

        x = pad_sequence([sample[0] for sample in samples], batch_first=True)
        return [x, {"longest": x.shape[1]}, [sample[0] for sample in samples]]

    def model(self, size: str) -> torch.nn.Module:
        from points_model import Mean

        return Mean()

    def loss(self, outputs: Any, tensors: Mapping[str, Tensor]) -> Tensor:
        miss: Tensor = outputs - tensors["0"].float().mean(1)
        return (miss**2).mean()


class ManyLists:
    def __len__(self) -> int:
        return 50

    def __getitem__(self, index: int) -> Any:
        raise AssertionError("it is asked for many at a time")

    def __getitems__(self, indices: list[int]) -> list[Any]:
        import torch

        return [(torch.full((3 + index % 11,), float(index % 5)),) for index in indices]


@hookimpl
def workloads() -> Iterable[Workload]:
    return Points(), Lists()

"""Workloads that each break one promise, on top of `Sums`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sums import Sums

from feedrate.data.field import Field

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from feedrate.loading.block import Block


@dataclass(frozen=True)
class CountsFromOne(Sums):
    name = "counts_from_one"

    def rows(self, size: str, seed: int, start: int, stop: int) -> dict[str, NDArray[np.generic]]:
        made = super().rows(size, seed, start, stop)
        return made | {"row_id": np.arange(start + 1, stop + 1).astype(np.uint64)}


@dataclass(frozen=True)
class MakesAnotherDtype(Sums):
    name = "makes_another_dtype"

    def rows(self, size: str, seed: int, start: int, stop: int) -> dict[str, NDArray[np.generic]]:
        made = super().rows(size, seed, start, stop)
        return made | {"y": made["y"].astype(np.float64)}


@dataclass(frozen=True)
class LooksAtItsNeighbours(Sums):
    name = "looks_at_its_neighbours"

    def rows(self, size: str, seed: int, start: int, stop: int) -> dict[str, NDArray[np.generic]]:
        made = super().rows(size, seed, start, stop)
        y: NDArray[np.float32] = made["y"].astype(np.float32)
        return made | {"y": y - y.mean()}


@dataclass(frozen=True)
class PlansARowTwice(Sums):
    name = "plans_a_row_twice"

    def blocks(self, size: str) -> tuple[Block, ...]:
        first, second, *others = super().blocks(size)
        start = second.start - 1
        return first, replace(second, start=start, spans=((start, second.stop),)), *others


@dataclass(frozen=True)
class PlansBeyondTheEnd(Sums):
    name = "plans_beyond_the_end"

    def blocks(self, size: str) -> tuple[Block, ...]:
        *others, last = super().blocks(size)
        return *others, replace(last, stop=last.stop + 3, spans=((last.start, last.stop + 3),))


@dataclass(frozen=True)
class ReachesBeforeItsBlock(Sums):
    name = "reaches_before_its_block"

    def sample_fields(self, size: str) -> tuple[Field, ...]:
        row_id, x, y, unsure = self.stored_fields(size)
        return row_id, replace(x, window=3), y, unsure


@dataclass(frozen=True)
class HasNothingToLearn(Sums):
    name = "has_nothing_to_learn"

    def loss(self, outputs: Any, tensors: Mapping[str, Tensor]) -> Tensor:
        return super().loss(outputs, tensors) * 0 + 1


@dataclass(frozen=True)
class LosesLessThanNothing(Sums):
    name = "loses_less_than_nothing"

    def loss(self, outputs: Any, tensors: Mapping[str, Tensor]) -> Tensor:
        return super().loss(outputs, tensors) - 1e6


@dataclass(frozen=True)
class WeighsOnTheHost(Sums):
    """As a loss does that was tried on a CPU alone."""

    name = "weighs_on_the_host"

    def loss(self, outputs: Any, tensors: Mapping[str, Tensor]) -> Tensor:
        import torch

        return super().loss(outputs * torch.ones(len(outputs)), tensors)


@dataclass(frozen=True)
class SaysAlwaysTheSame(Sums):
    name = "says_always_the_same"

    def model(self, size: str) -> torch.nn.Module:
        from sums_model import Constant

        del size
        return Constant()


@dataclass(frozen=True)
class HasTwoHorizons(Sums):
    name = "has_two_horizons"

    def model(self, size: str) -> torch.nn.Module:
        from tests.support.lying_models import TwoHorizons

        del size
        return TwoHorizons(dead=False)

    def loss(self, outputs: Any, tensors: Mapping[str, Tensor]) -> Tensor:
        miss: Tensor = outputs - _horizons(tensors)
        return (miss**2).mean()

    def forecasts(self, outputs: Any, tensors: Mapping[str, Tensor]) -> Mapping[str, tuple[Tensor, Tensor]]:
        return {"y": (outputs, _horizons(tensors))}


@dataclass(frozen=True)
class HasADeadHorizon(HasTwoHorizons):
    name = "has_a_dead_horizon"

    def model(self, size: str) -> torch.nn.Module:
        from tests.support.lying_models import TwoHorizons

        del size
        return TwoHorizons(dead=True)


@dataclass(frozen=True)
class GoesAround(Sums):
    name = "goes_around"
    fault: ClassVar[str] = ""

    def model(self, size: str) -> torch.nn.Module:
        from tests.support.lying_models import Detour

        del size
        return Detour(self.fault)


@dataclass(frozen=True)
class BypassesAModule(GoesAround):
    name = "bypasses_a_module"
    fault: ClassVar[str] = "bypassed"


@dataclass(frozen=True)
class DetachesAModule(GoesAround):
    name = "detaches_a_module"
    fault: ClassVar[str] = "detached"


@dataclass(frozen=True)
class AsksForAnotherHead(Sums):
    name = "asks_for_another_head"

    def loss(self, outputs: Any, tensors: Mapping[str, Tensor]) -> Tensor:
        return super().loss({"near": outputs}["far"], tensors)


@dataclass(frozen=True)
class AnswersWithAnAxisMore(Sums):
    name = "answers_with_an_axis_more"

    def model(self, size: str) -> torch.nn.Module:
        from tests.support.lying_models import Column

        del size
        return Column()

    def forecasts(self, outputs: Any, tensors: Mapping[str, Tensor]) -> Mapping[str, tuple[Tensor, Tensor]]:
        return {"y": (outputs, tensors["y"])}


def _horizons(tensors: Mapping[str, Tensor]) -> Tensor:
    import torch

    return torch.stack((tensors["y"], tensors["y"] / 2), dim=1)

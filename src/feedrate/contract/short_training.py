"""Train a new model on some batches of a workload, and look at others that it does not meet."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice, pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from feedrate.contract.forecasts import forecast_health
from feedrate.contract.reference import Reference
from feedrate.contract.steps import seeded
from feedrate.contract.workloads import spread
from feedrate.errors import ContractError, UnavailableError
from feedrate.loading.batch import Batch, cast_to_model
from feedrate.plugin.updates import forward_and_loss, plain_update
from feedrate.records.learning_curve import LearningCurve

if TYPE_CHECKING:
    from feedrate.contract.fixture import Fixture
    from feedrate.plugin.step import Step
    from feedrate.plugin.workload import Workload
    from feedrate.records.training_health import ForecastHealth

__all__ = ["learning_curve"]

_PARTS = 4
"""One batch in so many is held out."""
_MOST_BATCHES, _LEAST_BATCHES, _MOST_SAMPLES = 64, 16, 4_096
"""All in all, for they are held in memory: as many batches as have so many samples, within both limits."""
_FEWEST = 3
"""Held-out batches below which nothing can be told from their losses."""
_LOOKS = 10
_SCRAMBLES = 99


def learning_curve(fixture: Fixture, step: Step | None, updates: int) -> LearningCurve:
    """Make so many updates by a step, or plainly in fp32, and look at held-out batches eleven times; from one seed.

    Raises:
        UnavailableError: the workload has too few batches for that.
        ContractError: a loss is not finite.
    """
    training, held_out = _split(fixture)
    workload = fixture.recipe.workload
    with seeded():
        model = fixture.model()
        optimizer = workload.trainer(model)
        plain = plain_update(forward_and_loss(model, workload.loss), optimizer)
        update = step.bind(model, workload.loss, optimizer) if step else plain
        batches, observer = cycle(training), _Observer(workload, model, held_out)
        looks = sorted({updates * part // _LOOKS for part in range(_LOOKS + 1)})
        losses, held_out_losses = list[float](), [observer.losses()]
        for start, stop in pairwise(looks):
            losses += [float(update(batch)) for batch in islice(batches, stop - start)]
            held_out_losses.append(observer.losses())
        _demand_finite(step or workload, losses)
        forecasts = observer.forecasts()
        return LearningCurve(
            training=tuple(losses),
            looks=tuple(looks),
            held_out=tuple(held_out_losses),
            scrambled=observer.scrambled(),
            deviation=observer.deviation(forecasts),
            correlation=_mean_correlation(forecasts),
            samples=sum(map(len, training)),
            held_out_samples=sum(map(len, held_out)),
        )


def _split(fixture: Fixture) -> tuple[list[Batch], list[Batch]]:
    """Give the batches to train on, and those held out: a quarter of the first ones of an epoch, drawn at random.

    Not each fourth: the last one of each block may be small.
    """
    plan, reference = fixture.plan, Reference(fixture.recipe, fixture.plan)
    most = min(_MOST_BATCHES, max(_LEAST_BATCHES, _MOST_SAMPLES // plan.max_batch_rows))
    batches = [reference.batch(ids) for ids in islice(plan.epoch_ids(0), most)]
    ready = [Batch(batch.ids, cast_to_model(batch.tensors, plan.cast_fields)) for batch in batches]
    count = len(ready) // _PARTS
    if count < _FEWEST:
        raise UnavailableError(
            f"{fixture.recipe.workload}/{fixture.recipe.size}: of {len(ready)} batches a quarter is held out, and"
            f" {_FEWEST} are the fewest that tell; choose a larger --size, or a smaller batch_size"
        )
    drawn = torch.randperm(len(ready), generator=torch.Generator().manual_seed(0)).tolist()
    return [ready[number] for number in sorted(drawn[count:])], [ready[number] for number in sorted(drawn[:count])]


@dataclass(frozen=True)
class _Observer:
    """Looks at batches that a model does not train on, without changing it."""

    workload: Workload
    model: nn.Module
    batches: Sequence[Batch]

    def losses(self) -> tuple[float, ...]:
        """The loss of each batch."""
        with self._at_rest():
            return tuple(self._loss(self.model(batch.tensors), batch) for batch in self.batches)

    def scrambled(self) -> tuple[float, ...]:
        """The mean loss with the answers of each batch given to others of its samples, many times."""
        with self._at_rest():
            answers = [(self.model(batch.tensors), batch) for batch in self.batches]
            return tuple(
                statistics.fmean(self._loss(_reordered(outputs, len(batch)), batch) for outputs, batch in answers)
                for _ in range(_SCRAMBLES)
            )

    def forecasts(self) -> tuple[ForecastHealth, ...]:
        """How the model answers each column of each target."""
        with self._at_rest():
            return forecast_health(self.workload, self.model, self.batches)

    def deviation(self, forecasts: Sequence[ForecastHealth]) -> float:
        """The least of any column as a share of its target's; of a workload without targets, the largest output's."""
        scales = [forecast.scale for forecast in forecasts if forecast.scale is not None]
        with self._at_rest():
            return min(scales) if scales else max(spread(self.model, batch) for batch in self.batches)

    def _loss(self, outputs: Any, batch: Batch) -> float:
        return float(self.workload.loss(outputs, batch.tensors))

    @contextmanager
    def _at_rest(self) -> Iterator[None]:
        self.model.eval()
        with torch.no_grad():
            yield
        self.model.train()


def _demand_finite(who: object, losses: Sequence[float]) -> None:
    strange = next((number for number, loss in enumerate(losses) if not math.isfinite(loss)), None)
    if strange is not None:
        raise ContractError(f"{who}: update {strange} of {len(losses)} has the loss {losses[strange]:g}")


def _mean_correlation(forecasts: Sequence[ForecastHealth]) -> float | None:
    known = [forecast.correlation for forecast in forecasts if forecast.correlation is not None]
    return statistics.fmean(known) if known else None


def _reordered(outputs: Any, samples: int) -> Any:
    """Give each answer to a sample that is drawn for it."""
    order = torch.randperm(samples)
    if isinstance(outputs, Mapping):
        return {name: tensor[order] for name, tensor in outputs.items()}
    return outputs[order]

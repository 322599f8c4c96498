"""Check what a step does to the model, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from feedrate.contract.fixture import Fixture, on_device, with_deadline
from feedrate.contract.late_device import on_simulated_device
from feedrate.contract.promise import Promise, promise_if
from feedrate.contract.reference import Reference, demand_equal
from feedrate.errors import ContractError
from feedrate.loading.batch import Batch, cast_to_model
from feedrate.loading.simulated.stream import at_the_last
from feedrate.plugin.step import Step, Update

if TYPE_CHECKING:
    from feedrate.loading.plan import Plan

__all__ = [
    "demand_alike",
    "first_batch",
    "learns_like_plain_training",
    "leaves_the_batch_alone",
    "leaves_the_model_alone",
    "moves_the_parameters",
    "plain_progress",
    "plainly_trained",
    "returns_a_loss",
    "seeded",
    "trained_elsewhere",
    "trains_on_another_device",
    "trains_on_the_batch_it_is_given",
]

_ALIKE = 0.01
"""Share by which a loss may differ between the host and a device whose operations are the host's own."""
_MODEL_BYTES = 128 << 20
"""Of a simulated device that trains a model: parameters, gradients, the optimizer's state and activations of `tiny`."""
UPDATES = 12
"""On one batch, which any optimizer learns by heart. A step that scales its loss may skip the first few."""
_SCALE = 3.0
"""By which the numbers of another batch are larger, so that its loss is another one."""
_OTHER = 0.02
"""Share of a loss by which that of another batch must differ, or nothing can be told: half as much is rounding."""
_SAME = 0.1
"""Share of that difference, and of the loss, below which a loss is still that of the batch before."""
TOLERANCE = 0.5
"""Share of plain training's progress by which a step may differ: a skipped update or a rounding, not a wrong sign."""


def trains(step: Step) -> bool:
    """Tell whether a step trains at all."""
    return step.trains


@promise_if(trains)
def returns_a_loss(step: Step, fixture: Fixture) -> None:
    """Each update returns one detached number, finite and above 0, which is the caller's to keep."""
    losses = _trained(step, fixture).losses
    if len({loss.data_ptr() for loss in losses}) < len(losses):
        raise ContractError(f"{step}: an update writes its loss where it returned one before: return a copy of it")
    for number, loss in enumerate(losses):
        if loss.numel() != 1 or loss.requires_grad:
            form = f"{tuple(loss.shape)}{', attached to its graph' if loss.requires_grad else ''}"
            raise ContractError(f"{step}: update {number} returns {form} instead of one detached number")
        if not loss.isfinite().all() or loss.item() <= 0:
            raise ContractError(f"{step}: update {number} returns the loss {loss.item():g}, not a finite one above 0")


def _updates(step: Step) -> bool:
    """Tell whether a step changes the model."""
    return step.trains and step.updates


@promise_if(_updates)
def moves_the_parameters(step: Step, fixture: Fixture) -> None:
    """Every parameter that plain training moves has moved."""
    trained, wanted = _trained(step, fixture), plainly_trained(fixture)
    moved = _moved(wanted)
    still = sorted(moved - _moved(trained))
    if still:
        raise ContractError(
            f"{step}: {UPDATES} updates leave {still[0]!r} where it was ({len(still)} such parameters of {len(moved)})"
        )


@promise_if(_updates)
def learns_like_plain_training(step: Step, fixture: Fixture) -> None:
    """The loss, computed anew in fp32, falls about as far as in plain fp32 training."""
    wanted = plain_progress(fixture)
    if not wanted > 0:
        raise ContractError(
            f"{fixture.recipe.workload}: plain fp32 training lowers its loss by {wanted:.3g}: mend that first"
        )
    progress = _progress(_trained(step, fixture), fixture)
    if not abs(progress - wanted) <= TOLERANCE * wanted:
        raise ContractError(
            f"{step}: {UPDATES} updates lower the loss by {progress:.3g} where plain fp32 lowers it by {wanted:.3g}"
        )


@promise_if(_updates)
def trains_on_the_batch_it_is_given(step: Step, fixture: Fixture) -> None:
    """After many updates on one batch, the loss of an update on another is not still that of the first."""
    trained = _trained(step, fixture)
    before, wanted = (_loss(trained.after, batch, fixture) for batch in (trained.copy, trained.other))
    actual = float(trained.other_loss)
    apart = abs(wanted - before)
    if apart > _OTHER * abs(before) and abs(actual - before) <= _SAME * min(apart, abs(before)):
        raise ContractError(
            f"{step}: an update on another batch returns the loss {actual:.4g}, that of the batch before it, not"
            f" {wanted:.4g}: it reads memory that is not the batch's"
        )


def _only_computes(step: Step) -> bool:
    """Tell whether a step computes a loss and says that it changes nothing."""
    return step.trains and not step.updates


@promise_if(_only_computes)
def leaves_the_model_alone(step: Step, fixture: Fixture) -> None:
    """Of a step that says so: parameters and buffers are what they were, and another batch has another loss."""
    trained = _trained(step, fixture)
    changed = sorted(name for name, before in trained.before.items() if not before.equal(trained.after[name]))
    if changed:
        raise ContractError(
            f"{step}: leaves the model as it is, it says, and {changed[0]!r} is not what it was ({len(changed)} such"
            f" tensors of {len(trained.before)})"
        )
    losses = torch.stack([loss.float().reshape(()) for loss in trained.losses])
    if float(losses.max() - losses.min()) > _SAME * abs(float(losses[0])):
        raise ContractError(
            f"{step}: the loss of one batch is {float(losses.min()):.4g} and {float(losses.max()):.4g}, of a model that"
            " is left as it is"
        )
    if float(trained.other_loss) == float(losses[-1]):
        raise ContractError(f"{step}: returns the loss {float(losses[-1]):.4g} of one batch for another")


@Promise
def leaves_the_batch_alone(step: Step, fixture: Fixture) -> None:
    """The batch is what it was: a loader or another step may hold the same memory."""
    trained = _trained(step, fixture)
    try:
        demand_equal(step, trained.batch, trained.copy)
    except ContractError as error:
        raise ContractError(f"{error}: the step has written to its batch") from None


def _through_operators(step: Step) -> bool:
    """Tell whether a step trains by torch's own operators, which a simulated device can do, and on the host as well."""
    return step.trains and step.on_host and not step.traits().compiled


@promise_if(_through_operators)
def trains_on_another_device(step: Step, fixture: Fixture) -> None:
    """On a device beside the host it trains as on the host: it makes no tensor elsewhere and reads none too early.

    Where the plan goes to a device, nothing is asked: this one stands for it.
    """
    if fixture.plan.accelerator is None:
        demand_alike(step, _trained(step, fixture), trained_elsewhere(step, fixture, step))


def trained_elsewhere(step: Step | None, fixture: Fixture, who: object) -> _Trained:
    """Train on a simulated device that does nothing before somebody waits for it; None: the plain way.

    Raises:
        ContractError: training fails there.
    """
    plan, _ = on_simulated_device(fixture.plan, at_the_last, beside=_MODEL_BYTES)
    there = replace(fixture, plan=plan)
    return with_deadline(fixture.deadline_s, f"{who}: on a simulated device", lambda: _train(step, there))


def demand_alike(who: object, here: _Trained, there: _Trained) -> None:
    """Compare the losses of two trainings from the same seed.

    Raises:
        ContractError: one differs.
    """
    for number, (wanted, actual) in enumerate(zip(here.losses, there.losses, strict=True)):
        if not torch.allclose(wanted, actual, rtol=_ALIKE, equal_nan=True):
            raise ContractError(
                f"{who}: update {number} has the loss {actual.item():g} on a simulated device and {wanted.item():g} on"
                " the host: something reads memory before it is written, or counts on one device"
            )


@dataclass(frozen=True)
class _Trained:
    """A model before and after, and what the updates returned."""

    before: Mapping[str, Tensor]
    after: Mapping[str, Tensor]
    parameters: frozenset[str]
    losses: tuple[Tensor, ...]
    batch: Batch
    copy: Batch
    """The batch as it was."""
    other: Batch
    """One that a last update was made with."""
    other_loss: Tensor
    """What that returned."""


def _trained(step: Step, fixture: Fixture) -> _Trained:
    """Train once a fixture, where its plan goes; on a simulated device where that is the host, and no place for it."""
    if fixture.plan.accelerator is None and not step.on_host:
        return fixture.once(step, lambda: trained_elsewhere(step, fixture, step))
    return fixture.once(step, lambda: with_deadline(fixture.deadline_s, step, lambda: _train(step, fixture)))


def plainly_trained(fixture: Fixture) -> _Trained:
    """Train a new model of the fixture's workload the plain way, in fp32; once a fixture."""
    plainly = partial(_train, None, fixture)
    return fixture.once(None, lambda: with_deadline(fixture.deadline_s, "plain fp32 training", plainly))


def _train(step: Step | None, fixture: Fixture) -> _Trained:
    """Update a new model `UPDATES` times, from the same seed for every step; None: the plain way."""
    workload = fixture.recipe.workload
    with seeded(), on_device(fixture.plan):
        model = fixture.model()
        before = _state(model)
        optimizer = workload.trainer(model)
        place = fixture.plan.accelerator
        update = step.bind_on(place, model, workload.loss, optimizer) if step else _plain(model, fixture, optimizer)
        first, last = _largest(fixture.plan)
        batch, copy, other = _ready(fixture, first), _ready(fixture, first), _scaled(_ready(fixture, last))
        losses = tuple(update(batch) for _ in range(UPDATES))
        after = _state(model)
        other_loss = update(other).detach().clone()
    parameters = frozenset(name for name, _ in model.named_parameters())
    return _Trained(before, after, parameters, losses, batch, copy, other, other_loss)


@contextmanager
def seeded() -> Iterator[None]:
    """Draw the same random numbers every time inside the block, and none of the caller's."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(0)
        yield


def _plain(model: nn.Module, fixture: Fixture, optimizer: torch.optim.Optimizer) -> Update:
    def update(batch: Batch) -> Tensor:
        optimizer.zero_grad()
        loss = fixture.recipe.workload.loss(model(batch.tensors), batch.tensors)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return update


def _largest(plan: Plan) -> tuple[Tensor, Tensor]:
    """Give the rows of the first and of the last of the plan's largest batches."""
    batches = list(plan)
    most = max(map(len, batches))
    largest = [rows for rows in batches if len(rows) == most]
    return largest[0], largest[-1]


def _scaled(batch: Batch) -> Batch:
    """Give the batch with larger numbers, as far as they are none of a fixed choice."""
    tensors = batch.tensors.items()
    return Batch(batch.ids, {name: t * _SCALE if t.is_floating_point() else t for name, t in tensors})


def first_batch(fixture: Fixture) -> Batch:
    """Make the first of the plan's largest batches, where and how a model wants it."""
    return _ready(fixture, _largest(fixture.plan)[0])


def _ready(fixture: Fixture, ids: Tensor) -> Batch:
    """Give the batch of these rows, where and how a model wants it."""
    batch = Reference(fixture.recipe, fixture.plan).batch(ids)
    ready = cast_to_model(batch.tensors, fixture.plan.cast_fields)
    accelerator = fixture.plan.accelerator
    if accelerator is None:
        return Batch(batch.ids, ready)
    return Batch(batch.ids, {name: accelerator.to_device(tensor) for name, tensor in ready.items()})


def _state(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def _moved(trained: _Trained) -> set[str]:
    return {name for name in trained.parameters if not trained.before[name].equal(trained.after[name])}


def plain_progress(fixture: Fixture) -> float:
    """Tell by how much plain fp32 training lowers the loss of its batch."""
    return _progress(plainly_trained(fixture), fixture)


def _progress(trained: _Trained, fixture: Fixture) -> float:
    """How much lower the loss of the batch is in the end, computed here and in fp32, whatever the step says."""
    return _loss(trained.before, trained.copy, fixture) - _loss(trained.after, trained.copy, fixture)


def _loss(state: Mapping[str, Tensor], batch: Batch, fixture: Fixture) -> float:
    workload = fixture.recipe.workload
    with seeded(), on_device(fixture.plan), torch.no_grad():
        model = fixture.model()
        model.load_state_dict(dict(state))
        return float(workload.loss(model(batch.tensors), batch.tensors))

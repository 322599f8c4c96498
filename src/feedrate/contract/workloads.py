"""Check what a workload makes, plans and trains; rows come from its generator, samples from its own data set."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from feedrate.contract.fixture import Fixture, on_device, with_deadline
from feedrate.contract.forecasts import demand_alive, forecast_health
from feedrate.contract.gradients import GradientNorms, gradient_norms
from feedrate.contract.heads import demand_fit
from feedrate.contract.promise import Promise, promise_if
from feedrate.contract.reference import Reference, demand_equal
from feedrate.contract.steps import demand_alike, first_batch, plain_progress, plainly_trained, trained_elsewhere
from feedrate.data.dataset import DataSet
from feedrate.data.manifest import Shard
from feedrate.errors import ContractError, DataError, one_line
from feedrate.loading.samples import SampleSpec
from feedrate.plugin.workload import SizedWorkload, Workload

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from feedrate.data.field import Field
    from feedrate.loading.batch import Batch

__all__ = [
    "VARIES",
    "answers_what_its_loss_asks",
    "cuts_every_sample",
    "gives_the_same_samples_again",
    "learns_what_it_asks",
    "makes_the_declared_columns",
    "makes_the_same_rows_in_pieces",
    "plans_each_sample_once",
    "predicts_different_things",
    "reaches_every_module",
    "spread",
    "unwritten",
]

VARIES = 0.001
"""Least standard deviation of predictions; below, a model says the same of everything."""
_ROWS = 100
"""A prime-sized cut of the first rows must not matter; the whole of a tiny data set is small enough to make twice."""
_PIECE = 37


def unwritten(workload: Workload, size: str = "tiny", epochs: int = 2) -> Fixture:
    """Make a fixture of a workload itself: its plan over files that nobody has written.

    Samples of a generated `DatasetWorkload` come from nothing but its files: `written` makes the fixture of that one.
    """
    recipe = workload.at(workload.own_size(size))
    if not workload.is_generated:
        return Fixture(workload.plan(recipe.open(Path()), recipe.size, epochs=epochs), recipe)
    shards = tuple(Shard(f"{number}", groups, 0, "") for number, groups in enumerate(recipe.groups))
    data = DataSet(Path(), recipe.format, recipe.identity, recipe.storage, recipe.fields, shards)
    return Fixture(workload.plan(data, recipe.size, epochs=epochs), recipe)


def _has_columns(workload: Workload) -> bool:
    return workload.has_columns


def _has_samples(workload: Workload) -> bool:
    return not workload.has_columns


def _has_model(workload: Workload) -> bool:
    return workload.has_model


@promise_if(_has_columns)
def makes_the_declared_columns(workload: Workload, fixture: Fixture) -> None:
    """Rows come in the declared columns, dtypes and shapes, and the first column is the row's number."""
    rows = _made(fixture.recipe, 0, fixture.plan.data.rows)
    declared = {field.name: field for field in fixture.recipe.fields}
    if set(rows) != set(declared):
        raise ContractError(f"{workload}: makes the columns {sorted(rows)} instead of {sorted(declared)}")
    for name, values in rows.items():
        _demand_form(workload, declared[name], values, fixture.plan.data.rows)
    ids = rows[fixture.recipe.fields[0].name]
    wrong = np.flatnonzero(ids != np.arange(len(ids), dtype=ids.dtype))
    if len(wrong):
        raise ContractError(f"{workload}: row {int(wrong[0])} has the id {ids[wrong[0]]} ({len(wrong)} such rows)")


@promise_if(_has_columns)
def makes_the_same_rows_in_pieces(workload: Workload, fixture: Fixture) -> None:
    """A row does not depend on which others are made with it, nor on when: it is a function of seed and number."""
    total = fixture.plan.data.rows
    whole = _made(fixture.recipe, 0, total)
    for start in {0, max(0, total // 2 - _ROWS // 2), max(0, total - _ROWS)}:
        stop = min(start + _ROWS, total)
        for low in range(start, stop, _PIECE):
            high = min(low + _PIECE, stop)
            for name, values in _made(fixture.recipe, low, high).items():
                if values.tobytes() != np.ascontiguousarray(whole[name][low:high]).tobytes():
                    raise ContractError(
                        f"{workload}: rows {low} to {high} of {name!r} differ when they are made by themselves"
                    )


@Promise
def plans_each_sample_once(workload: Workload, fixture: Fixture) -> None:
    """Each epoch holds the same samples, each of them once, and all of them are rows; no batch is empty.

    Where blocks drop what makes no whole batch, each epoch holds as many.
    """
    total = fixture.plan.spec.row_count(fixture.plan.data)
    epochs = [torch.cat(batches) for batches in _epochs(fixture)]
    drops = any(block.drop_last for block in fixture.plan.stored_blocks)
    for number, ids in enumerate(epochs):
        rows, times = ids.unique(return_counts=True)
        if len(rows) < len(ids):
            twice = int(rows[times > 1][0])
            raise ContractError(f"{workload}: epoch {number} plans row {twice} {int(times.max())} times")
        if len(rows) == 0 or int(rows[0]) < 0 or int(rows[-1]) >= total:
            raise ContractError(f"{workload}: epoch {number} plans rows that are not among {total}")
        if len(ids) != len(epochs[0]) if drops else not rows.equal(epochs[0].unique()):
            raise ContractError(f"{workload}: epoch {number} plans other samples than epoch 0")


@Promise
def cuts_every_sample(workload: Workload, fixture: Fixture) -> None:
    """Every batch of an epoch can be cut from its block, histories and all, in the declared dtypes and shapes."""
    reference = Reference(fixture.recipe, fixture.plan)
    for ids in next(_epochs(fixture)):
        try:
            batch = reference.batch(ids)
        except (RuntimeError, IndexError, KeyError, DataError) as error:
            raise ContractError(
                f"{workload}: the batch of row {int(ids[0])} cannot be cut ({str(error).splitlines()[0]})"
            ) from None
        if workload.has_columns:
            _demand_declared(workload, batch, fixture)


@promise_if(_has_samples)
def gives_the_same_samples_again(workload: Workload, fixture: Fixture) -> None:
    """A data set that is opened anew gives the same bits, whatever was asked of it before, in each epoch.

    One that draws its own random numbers does not: `sample_generator` is for those, and `is_random` says so.
    """
    spec = fixture.plan.spec
    if not isinstance(spec, SampleSpec) or spec.is_random:
        return
    opened_anew = replace(fixture.plan, spec=_sent(workload, spec))
    first, second = Reference(fixture.recipe, fixture.plan), Reference(fixture.recipe, opened_anew)
    for epoch in fixture.plan.epoch_numbers():
        for ids in reversed(list(fixture.plan.epoch_ids(epoch))):
            try:
                demand_equal(workload, second.batch(ids, epoch), first.batch(ids, epoch))
            except DataError as error:
                raise ContractError(f"{workload}: {error}") from None
            except ContractError as error:
                raise ContractError(
                    f"{error}: another time it is fetched; draw from `sample_generator(index)`"
                ) from None


def _sent(workload: Workload, spec: SampleSpec) -> SampleSpec:
    """What arrives in a worker process: nothing that is open comes with it."""
    try:
        sent: SampleSpec = pickle.loads(pickle.dumps(spec))
    # What pickling raises is anybody's guess.
    except Exception as error:
        raise ContractError(
            f"{workload}: cannot be pickled ({one_line(error)}): no worker can open its data set"
        ) from error
    return sent


@promise_if(_has_model)
def answers_what_its_loss_asks(workload: Workload, fixture: Fixture) -> None:
    """What a new model gives for a batch has the names and shapes that loss and targets need."""

    def ask() -> None:
        with on_device(fixture.plan):
            demand_fit(workload, fixture.model(), first_batch(fixture))

    with_deadline(fixture.deadline_s, workload, ask)


@promise_if(_has_model)
def reaches_every_module(workload: Workload, fixture: Fixture) -> None:
    """In plain training each module with trainable parameters gets a gradient: none is bypassed or detached."""

    def ask() -> GradientNorms:
        with on_device(fixture.plan):
            model, batch = fixture.model(), first_batch(fixture)
            with gradient_norms(model) as norms:
                workload.loss(model(batch.tensors), batch.tensors).backward()
                return norms()

    without = with_deadline(fixture.deadline_s, workload, ask).without
    if without:
        raise ContractError(
            f"{workload}: no gradient reaches {', '.join(without)}: use it, or set `requires_grad_(False)` on it"
        )


@promise_if(_has_model)
def learns_what_it_asks(workload: Workload, fixture: Fixture) -> None:
    """Plain fp32 training on one batch gives finite losses above 0 and lowers them."""
    for number, loss in enumerate(plainly_trained(fixture).losses):
        if not loss.isfinite().all() or loss.item() <= 0:
            raise ContractError(f"{workload}: update {number} has the loss {loss.item():g}, not a finite one above 0")
    progress = plain_progress(fixture)
    if not progress > 0:
        raise ContractError(f"{workload}: plain fp32 training lowers its loss by {progress:.3g}: there is no signal")


@promise_if(_has_model)
def predicts_different_things(workload: Workload, fixture: Fixture) -> None:
    """The model tells samples apart, and does so in each column of each target that it names."""
    trained = plainly_trained(fixture)
    with on_device(fixture.plan):
        model = fixture.model()
        model.load_state_dict(dict(trained.after))
        actual = spread(model, trained.copy)
        forecasts = forecast_health(workload, model, [trained.copy])
    if not actual > VARIES:
        raise ContractError(
            f"{workload}: predictions have standard deviation {actual:.2g}: at least {VARIES} is wanted"
        )
    demand_alive(str(workload), forecasts)


@promise_if(_has_model)
def computes_where_the_model_is(workload: Workload, fixture: Fixture) -> None:
    """Model and loss train on a device beside the host as on the host: they make no tensor elsewhere.

    Where the plan goes to a device, nothing is asked: this one stands for it.
    """
    if fixture.plan.accelerator is None:
        demand_alike(workload, plainly_trained(fixture), trained_elsewhere(None, fixture, workload))


def spread(model: torch.nn.Module, batch: Batch) -> float:
    """Give the largest standard deviation over the samples of any output; infinite for a single sample."""
    with torch.no_grad():
        outputs = model(batch.tensors)
    tensors = [outputs] if isinstance(outputs, torch.Tensor) else list(outputs.values())
    return max(float(t.detach().float().std(dim=0).max()) if len(t) > 1 else float("inf") for t in tensors)


def _made(recipe: SizedWorkload, start: int, stop: int) -> dict[str, NDArray[np.generic]]:
    return recipe.rows(start, stop)


def _epochs(fixture: Fixture) -> Iterator[list[torch.Tensor]]:
    """The row ids of the batches of each epoch."""
    for epoch in fixture.plan.epoch_numbers():
        yield list(fixture.plan.epoch_ids(epoch))


def _demand_form(workload: Workload, field: Field, values: NDArray[np.generic], rows: int) -> None:
    actual, wanted = f"{values.dtype} {values.shape}", f"{field.stored} {(rows, *field.shape)}"
    if actual != wanted:
        raise ContractError(f"{workload}: column {field.name!r} is {actual} instead of {wanted}")


def _demand_declared(workload: Workload, batch: Batch, fixture: Fixture) -> None:
    for field in fixture.plan.batch_fields[1:]:
        tensor = batch.tensors.get(field.name)
        wanted = (len(batch), *field.sample_shape)
        if tensor is None or tuple(tensor.shape) != wanted:
            actual = "missing" if tensor is None else tuple(tensor.shape)
            raise ContractError(f"{workload}: {field.name!r} of a batch is {actual} instead of {wanted}")

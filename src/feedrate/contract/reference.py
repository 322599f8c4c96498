"""Say what a batch must hold: recomputed from the generator, or, where there is none, read plainly in one process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from feedrate.errors import ContractError
from feedrate.loading.batch import Batch, Columns, cast_to_model
from feedrate.loading.block import Block
from feedrate.loading.plan import Plan
from feedrate.loading.samples import SampleSpec
from feedrate.plugin.workload import SizedWorkload

__all__ = [
    "GeneratorSource",
    "Reference",
    "check_batch",
    "demand_equal",
    "demand_unchanged",
    "expected_batches",
    "on_host",
]


@dataclass(frozen=True)
class GeneratorSource:
    """A `Source` whose rows come from the workload: its generator, or a plain reading of a user's own files."""

    recipe: SizedWorkload
    plan: Plan

    def read(self, block: Block) -> Columns:
        """See `Source`; the tensors are the caller's own."""
        rows = self.recipe.rows(block.start, block.stop)
        return self.plan.columns({field.name: _tensor(rows[field.name]) for field in self.plan.stored_columns}, block)


def _tensor(values: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Tensor:
    owned = np.array(values, order="C")
    # torch gathers no uint64; formats read row ids as int64, too.
    return torch.from_numpy(owned.view(np.int64) if owned.dtype == np.uint64 else owned)


_KEPT_BYTES = 256 << 20
"""Of decoded blocks; a loader that shuffles over all of them needs some of each for every batch."""


@dataclass
class Reference:
    """The batches that a plan asks for, whatever rows they are cut from.

    It keeps one decoded block; of batches whose rows are of many, some 256 MB.
    """

    recipe: SizedWorkload
    plan: Plan
    _kept: dict[int, Columns] = field(default_factory=dict)

    def batch(self, ids: Tensor, epoch: int = 0) -> Batch:
        """Give the batch of the rows `ids`, int64 (B,), in the dtypes of a batch on the host.

        `epoch`: only samples that a data set's own code gives may be others in another one.

        Raises:
            ContractError: the plan has no such row.
        """
        homes = self._homes(ids)
        if isinstance(self.plan.spec, SampleSpec):
            key = next(self.plan.epoch_blocks(epoch)).key
            return self.plan.spec.batch(self.plan.data, ids, key)
        # The planned case first: all rows of one block, cut at once, as the work on a whole batch may need.
        numbers = set(homes.tolist()) or {0}
        if len(numbers) == 1:
            return self._cut(numbers.pop(), ids)
        parts = {number: self._cut(number, ids[homes == number], plainly=True) for number in numbers}
        whole = _interleaved(parts, homes, ids)
        if self.plan.derive is None:
            return whole
        # What is derived is derived of the batch, whatever blocks its rows are of.
        return Batch(ids, {**whole.tensors, **self.plan.derive(whole.tensors)})

    def _cut(self, number: int, ids: Tensor, *, plainly: bool = False) -> Batch:
        """Cut rows of one block; `plainly`: derive nothing."""
        block = self.plan.stored_blocks[number]
        if number not in self._kept:
            if not plainly or sum(columns.bytes for columns in self._kept.values()) > _KEPT_BYTES:
                self._kept.clear()
            self._kept[number] = GeneratorSource(self.recipe, self.plan).read(block)
        columns = self._kept[number]
        return (replace(columns, derive=None) if plainly else columns).batch(ids - block.start)

    def _homes(self, ids: Tensor) -> Tensor:
        """int64 (B,): number of the block that each row is a sample of."""
        homes = self.plan.block_of(ids)
        strange = ids[homes < 0]
        if len(strange):
            raise ContractError(f"row {int(strange[0])} is not in the plan ({len(strange)} such rows of {len(ids)})")
        return homes


def _interleaved(parts: Mapping[int, Batch], homes: Tensor, ids: Tensor) -> Batch:
    """Batches of several blocks as one, each row where `homes` and `ids` have it."""
    first = next(iter(parts.values()))
    tensors = {name: tensor.new_empty((len(ids), *tensor.shape[1:])) for name, tensor in first.tensors.items()}
    for home, part in parts.items():
        for name, tensor in part.tensors.items():
            tensors[name][homes == home] = tensor
    return Batch(ids, tensors)


def expected_batches(plan: Plan, recipe: SizedWorkload) -> Iterator[Batch]:
    """Yield every batch of `plan` as a truthful loader would on the host, in the planned order."""
    reference = Reference(recipe, plan)
    for epoch in plan.epoch_numbers():
        for ids in plan.epoch_ids(epoch):
            yield reference.batch(ids, epoch)


def check_batch(who: object, batch: Batch, reference: Reference, epoch: int = 0) -> None:
    """Compare one delivered batch, on the host or on a device, with the rows that its ids name, bit by bit.

    Of samples that differ each time that they are fetched, only names, dtypes and numbers of axes are compared.

    Raises:
        ContractError: naming the tensor and the row, or what is wrong with dtype or shape.
    """
    ids = batch.ids
    if ids.device.type != "cpu" or ids.dtype != torch.int64 or ids.ndim != 1:
        raise ContractError(
            f"{who}: ids are {ids.dtype} {tuple(ids.shape)} on {ids.device} instead of int64 (B,) on cpu"
        )
    try:
        expected = reference.batch(ids, epoch)
    except ContractError as error:
        raise ContractError(f"{who}: {error}") from None
    spec = reference.plan.spec
    if isinstance(spec, SampleSpec) and spec.is_random:
        _demand_form(who, batch, expected)
        return
    demand_equal(who, batch, _as_delivered(batch, expected, reference.plan))


def demand_unchanged(who: object, batch: Batch, copy: Batch, number: int) -> None:
    """Compare the batch of that number, which was held, with a copy from when it came.

    Raises:
        ContractError: the loader has written to its memory since.
    """
    if not batch.ids.equal(copy.ids):
        raise ContractError(f"{who}: the ids of batch {number} were written again while it was held")
    try:
        demand_equal(who, batch, copy)
    except ContractError as error:
        raise ContractError(f"{error}: batch {number} was written again while it was held") from None


def _as_delivered(batch: Batch, expected: Batch, plan: Plan) -> Batch:
    """`expected` in the model's dtypes, if `batch` has arrived on the plan's device in them."""
    model = cast_to_model(expected.tensors, plan.cast_fields)
    accelerator = plan.accelerator
    arrived = accelerator is None or all(map(accelerator.holds, batch.tensors.values()))
    ready = all(name in batch.tensors and batch.tensors[name].dtype == model[name].dtype for name in model)
    return Batch(expected.ids, model) if arrived and ready else expected


def demand_equal(who: object, batch: Batch, expected: Batch) -> None:
    """Compare two batches of the same rows, bit by bit, wherever they are.

    Raises:
        ContractError: naming the first tensor and row that differ.
    """
    if set(batch.tensors) != set(expected.tensors):
        names, wanted = sorted(batch.tensors), sorted(expected.tensors)
        raise ContractError(f"{who}: a batch has the tensors {names} instead of {wanted}")
    for name, wanted_tensor in expected.tensors.items():
        found_tensor = batch.tensors[name]
        if found_tensor.dtype != wanted_tensor.dtype or found_tensor.shape != wanted_tensor.shape:
            found_form = f"{found_tensor.dtype} {tuple(found_tensor.shape)}"
            raise ContractError(
                f"{who}: {name!r} is {found_form} instead of {wanted_tensor.dtype} {tuple(wanted_tensor.shape)}"
            )
        wrong = _differing(on_host(found_tensor), on_host(wanted_tensor))
        if len(wrong):
            # Not every tensor of a collated batch has a row for each sample.
            by_sample = wanted_tensor.shape[:1] == expected.ids.shape
            row = int(expected.ids[wrong[0] if by_sample else 0])
            which = f"of row {row}" if by_sample else f"in the batch of row {row}"
            raise ContractError(
                f"{who}: {name!r} {which} is wrong ({len(wrong)} such rows of {len(torch.atleast_1d(wanted_tensor))})"
            )


def on_host(tensor: Tensor) -> Tensor:
    """Copy a tensor to the host, wherever it is."""
    return tensor.detach().to("cpu", copy=True)


def _demand_form(who: object, batch: Batch, expected: Batch) -> None:
    """Compare what does not hang on chance."""
    forms = [{name: (t.dtype, t.ndim) for name, t in each.tensors.items()} for each in (batch, expected)]
    if forms[0] != forms[1]:
        raise ContractError(f"{who}: a batch is {forms[0]} instead of {forms[1]} (dtype and number of axes)")


def _differing(actual: Tensor, wanted: Tensor) -> Tensor:
    """int64: positions of the rows whose bits differ; a tensor without axes is one row."""
    actual, wanted = torch.atleast_1d(actual), torch.atleast_1d(wanted)
    if not wanted.numel() or torch.equal(_bytes(actual), _bytes(wanted)):
        return torch.empty(0, dtype=torch.int64)
    differs = (_bytes(actual) != _bytes(wanted)).view(*wanted.shape, -1).any(-1)
    if wanted.is_floating_point():
        # CUDA writes one NaN for all NaNs when it converts; which NaN it is means nothing to a model.
        differs &= ~(actual.isnan() & wanted.isnan())
    return differs.reshape(len(wanted), -1).any(1).nonzero().flatten()


def _bytes(tensor: Tensor) -> Tensor:
    return tensor.contiguous().reshape(len(tensor), -1).view(torch.uint8)

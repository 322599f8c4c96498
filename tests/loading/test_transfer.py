"""Batches on their way to the device."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pytest
import torch

from feedrate.builtin.loaders.inline import Inline
from feedrate.builtin.loaders.threads import Threads
from feedrate.contract import Trial, check_batch
from feedrate.loading.transfer import delivered


@pytest.mark.parametrize("cast", ["host", "device"])
def test_batches_arrive_in_the_models_dtypes_wherever_they_are_widened(cast: str, sums_trial: Trial) -> None:
    loader = Inline(cast=cast)
    with closing(delivered(loader, sums_trial.plan_for(loader))) as stream:
        batches = list(stream)
    assert len(batches) == len(sums_trial.plan)
    assert {batch.tensors["x"].dtype for batch in batches} == {torch.float32}


def test_closing_the_delivery_closes_the_loader(sums_trial: Trial) -> None:
    loader = Threads()
    stream = delivered(loader, sums_trial.plan.for_epochs(1000))
    next(stream)
    stream.close()
    with pytest.raises(StopIteration):
        next(stream)


@pytest.mark.gpu
@pytest.mark.parametrize("copy", ["overlap", "serial", "synced"])
@pytest.mark.parametrize("pin", [True, False])
def test_every_way_of_copying_brings_the_right_bits_to_the_device(copy: str, pin: bool, sums_trial: Trial) -> None:
    trial = replace(sums_trial, plan=sums_trial.plan.on_device("cuda"))
    loader = Threads(copy=copy, pin=pin)
    plan, reference = trial.plan_for(loader), trial.reference(loader)
    with closing(delivered(loader, plan)) as stream:
        for batch in stream:
            assert all(tensor.is_cuda for tensor in batch.tensors.values())
            check_batch(loader, batch, reference)

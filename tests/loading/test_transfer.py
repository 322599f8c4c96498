"""Batches on their way to the device."""

from __future__ import annotations

import weakref
from collections import deque
from contextlib import closing
from dataclasses import dataclass, field, replace

import pytest
import torch

from feedrate.builtin.loaders.inline import Inline
from feedrate.builtin.loaders.threads import Threads
from feedrate.contract import Fixture, check_batch
from feedrate.loading.plan import Plan
from feedrate.loading.transfer import Stream, delivered


@pytest.mark.parametrize("cast", ["host", "device"])
def test_batches_arrive_in_the_models_dtypes_wherever_they_are_widened(cast: str, sums_fixture: Fixture) -> None:
    loader = Inline(cast=cast)
    with closing(delivered(loader, sums_fixture.plan_for(loader))) as stream:
        batches = list(stream)
    assert len(batches) == len(sums_fixture.plan)
    assert {batch.tensors["x"].dtype for batch in batches} == {torch.float32}


def test_closing_the_delivery_closes_the_loader(sums_fixture: Fixture) -> None:
    loader = Threads()
    stream = delivered(loader, sums_fixture.plan.for_epochs(1000))
    next(stream)
    stream.close()
    with pytest.raises(StopIteration):
        next(stream)


@dataclass(frozen=True)
class Forgetful(Inline):
    """Notes whether the batch before is still alive somewhere when the next one is asked for."""

    name = "forgetful"
    alive: list[bool] = field(default_factory=list, compare=False)

    def stream(self, plan: Plan) -> Stream:
        before: weakref.ref[torch.Tensor] | None = None
        for batch in super().stream(plan):
            if before is not None:
                self.alive.append(before() is not None)
            before = weakref.ref(batch.ids)
            yield batch
            del batch


@pytest.mark.parametrize("cast", ["host", "device"])
def test_a_batch_is_let_go_before_the_next_one_is_asked_for(cast: str, sums_fixture: Fixture) -> None:
    loader = Forgetful(cast=cast)
    with closing(delivered(loader, sums_fixture.plan_for(loader))) as stream:
        deque(stream, maxlen=0)
    assert len(loader.alive) > 1
    assert not any(loader.alive)


@pytest.mark.gpu
@pytest.mark.parametrize("copy", ["overlap", "serial", "synced"])
@pytest.mark.parametrize("pin", [True, False])
def test_every_way_of_copying_brings_the_right_bits_to_the_device(copy: str, pin: bool, sums_fixture: Fixture) -> None:
    fixture = replace(sums_fixture, plan=sums_fixture.plan.on_device("cuda"))
    loader = Threads(copy=copy, pin=pin)
    plan, reference = fixture.plan_for(loader), fixture.reference(loader)
    with closing(delivered(loader, plan)) as stream:
        for batch in stream:
            assert all(tensor.is_cuda for tensor in batch.tensors.values())
            check_batch(loader, batch, reference)

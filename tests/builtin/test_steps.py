"""What the steps that save memory compute, and what they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from feedrate.builtin.steps.accumulated import Accumulated
from feedrate.builtin.steps.checkpointed import Checkpointed
from feedrate.builtin.steps.compiled import Compiled
from feedrate.builtin.steps.evaluation import Evaluation
from feedrate.builtin.steps.fp32 import Fp32
from feedrate.builtin.steps.graphed import Graphed
from feedrate.contract import Fixture
from feedrate.contract.reference import Reference
from feedrate.errors import UnavailableError
from feedrate.loading.batch import Batch, cast_to_model
from feedrate.loading.simulated.accelerator import SimulatedAccelerator
from feedrate.loading.simulated.stream import Schedule, at_random, at_the_last, copies_first
from feedrate.plugin.step import Step
from feedrate.plugin.updates import ScaledUpdate, forward_and_loss


def batch_of(fixture: Fixture, rows: int) -> Batch:
    ids = next(iter(fixture.plan))[:rows]
    batch = Reference(fixture.recipe, fixture.plan).batch(ids)
    return Batch(batch.ids, cast_to_model(batch.tensors, fixture.plan.cast_fields))


def updated(step: Step, fixture: Fixture, batch: Batch) -> tuple[float, dict[str, torch.Tensor]]:
    """Give the loss of one update from a fixed seed, and the parameters after it."""
    torch.manual_seed(0)
    model = fixture.model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loss = step.bind(model, fixture.recipe.workload.loss, optimizer)(batch)
    return loss.item(), {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("step", [Accumulated(parts=3), Accumulated(parts=64), Checkpointed()], ids=str)
def test_an_update_is_that_of_the_whole_batch(step: Step, sums_fixture: Fixture) -> None:
    # Three parts of 16 samples: 6, 6 and 4; of 64 parts, one sample each.
    batch = batch_of(sums_fixture, 16)
    wanted, parameters = updated(Fp32(), sums_fixture, batch)
    loss, same = updated(step, sums_fixture, batch)
    assert loss == pytest.approx(wanted, rel=1e-4)
    for name, parameter in parameters.items():
        torch.testing.assert_close(same[name], parameter)


def test_a_scaled_update_is_the_plain_one_and_is_left_out_where_gradients_overflow(sums_fixture: Fixture) -> None:
    batch = batch_of(sums_fixture, 16)
    wanted, parameters = updated(Fp32(), sums_fixture, batch)
    torch.manual_seed(0)
    model = sums_fixture.model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    times, loss = torch.ones(()), sums_fixture.recipe.workload.loss
    forward = forward_and_loss(model, lambda outputs, tensors: times * loss(outputs, tensors))
    update = ScaledUpdate(forward, optimizer, torch.amp.GradScaler("cpu", init_scale=2.0**10))

    assert update(batch).item() == pytest.approx(wanted)
    assert update.loss_scale == 1_024
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.detach(), parameters[name])
    times.fill_(3e38)
    update(batch)
    assert update.loss_scale == 512
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.detach(), parameters[name])


@pytest.mark.parametrize("flag", ["benchmark", "deterministic"])
def test_cudnn_chooses_as_a_knob_says_while_an_update_runs_and_only_where_there_is_a_gpu(
    flag: str, sums_fixture: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, seen = batch_of(sums_fixture, 16), list[tuple[bool, bool]]()
    step = Fp32().with_knobs({f"cudnn_{flag}": "true"})
    wanted = updated(Fp32(), sums_fixture, batch)[0]
    if not torch.cuda.is_available():
        with pytest.raises(UnavailableError, match=rf"fp32\[cudnn_{flag}=true\]: needs a CUDA device"):
            updated(step, sums_fixture, batch)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    model = sums_fixture.model()
    cudnn = torch.backends.cudnn
    before = cudnn.benchmark, cudnn.deterministic
    model.register_forward_hook(lambda *_: seen.append((cudnn.benchmark, cudnn.deterministic)))
    torch.manual_seed(0)
    step.bind(model, sums_fixture.recipe.workload.loss, torch.optim.SGD(model.parameters(), lr=0.1))(batch)

    assert seen == [(flag == "benchmark", flag == "deterministic")]
    assert (cudnn.benchmark, cudnn.deterministic) == before
    assert updated(step, sums_fixture, batch)[0] == pytest.approx(wanted)


def test_a_compiled_step_in_fp16_asks_for_a_gpu(sums_fixture: Fixture) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(UnavailableError, match=r"compiled\[precision=fp16\]: needs a CUDA device"):
        updated(Compiled(precision="fp16"), sums_fixture, batch_of(sums_fixture, 16))


@dataclass(frozen=True)
class Trained:
    losses: list[float]
    replayed: int


def trained_on(step: Step, fixture: Fixture, sizes: Sequence[int], device: SimulatedAccelerator | None) -> Trained:
    """Give the losses of updates on batches of so many rows, each dropped at once, and what the update says at last."""
    torch.manual_seed(0)
    model = fixture.recipe.workload.model(fixture.recipe.size).train()
    if device is not None:
        device.place(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.05)
    update = step.bind_on(device, model, fixture.recipe.workload.loss, optimizer)
    losses = []
    for number, rows in enumerate(sizes):
        ids = torch.arange(number, number + rows)
        host = Reference(fixture.recipe, fixture.plan).batch(ids)
        ready = cast_to_model(host.tensors, fixture.plan.cast_fields)
        there = ready if device is None else {name: device.to_device(tensor) for name, tensor in ready.items()}
        losses.append(update(Batch(ids, there)))
        del there
    return Trained([loss.item() for loss in losses], getattr(update, "replayed", 0))


SIZES = (16, 16, 9, 16, 16, 9, 9, 16, 5, 9, 16, 5, 5)
"""Three of them: the first two get a graph."""


@pytest.mark.parametrize("schedule", [at_the_last, copies_first, at_random(1)], ids=["last", "copies", "random"])
def test_a_replayed_update_is_the_plain_one_whatever_the_size_of_its_batch(
    schedule: Schedule, sums_fixture: Fixture
) -> None:
    device = SimulatedAccelerator(schedule=schedule)
    with device.using(None):
        graphed = trained_on(Graphed(), sums_fixture, SIZES, device)
    plain = trained_on(Fp32(), sums_fixture, SIZES, None)

    assert graphed.losses == pytest.approx(plain.losses, rel=1e-3)
    # Of 16 rows the fourth update is captured, of 9 the sixth; those after it are replayed: 3 of 16, 2 of 9.
    assert graphed.replayed == 5


def test_as_many_sizes_get_a_graph_as_are_asked_for(sums_fixture: Fixture) -> None:
    device = SimulatedAccelerator()
    with device.using(None):
        assert trained_on(Graphed(graphs=1), sums_fixture, SIZES, device).replayed == 3
    device = SimulatedAccelerator()
    with device.using(None):
        assert trained_on(Graphed(graphs=3), sums_fixture, SIZES, device).replayed == 6


def test_on_the_host_nothing_is_captured_and_that_is_said(sums_fixture: Fixture) -> None:
    with pytest.raises(UnavailableError, match=r"graphed: nothing can be captured on the host"):
        updated(Graphed(), sums_fixture, batch_of(sums_fixture, 16))


class Looks(nn.Module):
    """A model that waits for a value in the middle."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(6, 1)

    def forward(self, tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
        made: torch.Tensor = self.inner(tensors["x"]).squeeze(1)
        return made if made.sum().item() else made + 1


def test_an_update_that_waits_is_said_to_be_none_that_can_be_captured(sums_fixture: Fixture) -> None:
    device = SimulatedAccelerator()
    with device.using(None):
        model = device.place(Looks())
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        update = Graphed().bind_on(device, model, sums_fixture.recipe.workload.loss, optimizer)
        host = batch_of(sums_fixture, 16)
        batch = Batch(host.ids, {name: device.to_device(tensor) for name, tensor in host.tensors.items()})
        for _ in range(3):
            update(batch)
        with pytest.raises(
            UnavailableError, match=r"^graphed: an update of this model cannot be captured: .*; train it"
        ):
            update(batch)


class IntoShared(torch.autograd.Function):
    """Gives a loss in memory that the next one is written to, as a CUDA graph does."""

    @staticmethod
    def forward(ctx: object, value: torch.Tensor, shared: torch.Tensor) -> torch.Tensor:
        del ctx
        return shared.copy_(value).detach()

    @staticmethod
    def backward(ctx: object, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        del ctx
        return grad, None


@pytest.mark.parametrize("mode", ["reduce-overhead", "max-autotune"])
def test_a_loss_of_compiled_graphs_is_the_callers_own(
    mode: str, sums_fixture: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = torch.zeros(())
    monkeypatch.setattr(torch, "compile", lambda plain, **_: lambda tensors: IntoShared.apply(plain(tensors), shared))
    model = sums_fixture.model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    update = Compiled(mode=mode).bind(model, sums_fixture.recipe.workload.loss, optimizer)
    first, second = (update(batch_of(sums_fixture, 16)) for _ in range(2))

    assert second.item() < first.item()


def peak(step: Step) -> int:
    """Bytes of a simulated device that one update of eight blocks on 512 samples holds at most."""
    device = SimulatedAccelerator(64 << 20)
    with device.using(None):
        blocks = [nn.Sequential(nn.Linear(32, 128), nn.GELU(), nn.Linear(128, 32)) for _ in range(8)]
        model = device.place(nn.Sequential(*blocks))
        # It is called with a batch's tensors by name.
        whole = Named(model)
        update = step.bind(
            whole, lambda outputs, _: outputs.square().mean(), torch.optim.SGD(model.parameters(), lr=0.1)
        )
        batch = Batch(torch.arange(512), {"x": device.to_device(torch.rand(512, 32))})
        device.reset_peaks()
        before = device.allocated_bytes()
        update(batch)
    return device.peak_bytes()[0] - before


class Named(nn.Module):
    """A model of one tensor, called as workloads' are."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
        made: torch.Tensor = self.inner(tensors["x"])
        return made


def test_parts_and_blocks_hold_less_at_a_time() -> None:
    whole = peak(Fp32())
    assert peak(Accumulated(parts=4)) < 0.5 * whole
    assert peak(Checkpointed()) < 0.5 * whole


def test_a_batch_that_cannot_be_cut_by_samples_is_said_to_be_so(sums_fixture: Fixture) -> None:
    batch = batch_of(sums_fixture, 16)
    odd = Batch(batch.ids, {**batch.tensors, "weights": torch.ones(3)})
    with pytest.raises(
        UnavailableError, match=r"'weights' of a batch of 16 samples is \(3,\), so a batch cannot be cut"
    ):
        updated(Accumulated(), sums_fixture, odd)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_an_evaluation_is_that_of_the_model_as_it_is(precision: str, sums_fixture: Fixture) -> None:
    model, loss = sums_fixture.model().train(), sums_fixture.recipe.workload.loss
    before, batch = {name: t.clone() for name, t in model.state_dict().items()}, batch_of(sums_fixture, 16)
    update = Evaluation(precision=precision).bind(model, loss, torch.optim.SGD(model.parameters(), lr=1.0))

    said = update(batch)

    assert not model.training
    assert all(before[name].equal(t) for name, t in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    with torch.no_grad():
        wanted = loss(model(batch.tensors), batch.tensors)
    assert said.item() == pytest.approx(wanted.item(), rel=0.02 if precision == "bf16" else 1e-6)
    # Whoever holds it may compute with it.
    assert (said + 1).requires_grad_().requires_grad


def test_the_reserve_is_given_back_every_so_many_updates(
    sums_fixture: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = SimulatedAccelerator(64 << 20)
    given: list[int] = []
    monkeypatch.setattr(SimulatedAccelerator, "empty_cache", lambda _: given.append(len(given)))
    model = sums_fixture.model()
    optimizer, loss = torch.optim.SGD(model.parameters(), lr=0.1), sums_fixture.recipe.workload.loss

    update = Fp32(empty_cache=3).bind_on(device, model, loss, optimizer)
    for _ in range(7):
        update(batch_of(sums_fixture, 16))

    assert len(given) == 2
    with pytest.raises(UnavailableError, match="torch keeps nothing in reserve on the host: empty_cache needs a GPU"):
        Fp32(empty_cache=3).bind_on(None, model, loss, optimizer)

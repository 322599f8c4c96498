from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from feedrate.builtin.models.graph import neighbours
from feedrate.builtin.models.losses import board_loss, frames_loss, known_mean, masked_huber, pinball
from feedrate.builtin.models.selection import BatchedFeatures, GatedResidual, LoopedFeatures
from feedrate.builtin.workloads.boardmoves import BoardMoves
from feedrate.builtin.workloads.daywindows import DayWindows
from feedrate.builtin.workloads.fxseq import FxSeq
from feedrate.loading.batch import Columns, cast_to_model
from feedrate.plugin.workload import Workload

NETS = [BoardMoves(net=net, head=head) for net in ("vit", "resnet") for head in ("legal", "policy_value")]
TASKS: list[tuple[Workload, int]] = [
    *((net, 64 if net.net == "resnet" else 32) for net in NETS),
    (DayWindows(), 33),
    (DayWindows(selection="batched", graph="in_step"), 33),
    (DayWindows(selection="batched", graph="cached"), 33),
    (DayWindows(batch="fixed", graph="in_worker"), 33),
    (FxSeq(nan_ratio=0.1), 120),
    (FxSeq(form="multi"), 40),
    (FxSeq(form="multi_base"), 40),
]
PARAMETERS = [
    (BoardMoves(net="vit"), 19.7e6),
    (BoardMoves(net="resnet"), 17.0e6),
]
NAN = float("nan")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small only lose by sharing their work out."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def batches(workload: Workload, size: str = "tiny") -> Iterator[dict[str, Tensor]]:
    """Batches of all blocks, over and over, as they reach the model."""
    days = workload.day_starts(size)
    fields = (*workload.sample_fields(size), *workload.derived(size))
    while True:
        for block in workload.blocks(size):
            made = workload.rows(size, 5, block.start, block.stop)
            made["row_id"] = made["row_id"].astype(np.int64)
            columns = Columns(
                {name: torch.from_numpy(values) for name, values in made.items()},
                fields=workload.sample_fields(size),
                cast="device",
                first=block.start,
                day_starts=None if days is None else torch.tensor(days),
                derive=workload.derive if workload.derived(size) else None,
            )
            for rows in block.batches():
                yield cast_to_model(columns.batch(rows).tensors, fields)


def answers(outputs: Tensor | Mapping[str, Tensor]) -> list[Tensor]:
    return [outputs] if isinstance(outputs, Tensor) else list(outputs.values())


def of_task(case: object) -> str:
    return str(case)


@pytest.mark.slow
@pytest.mark.parametrize(("workload", "steps"), TASKS, ids=of_task)
def test_the_planted_signal_is_learned(workload: Workload, steps: int) -> None:
    torch.manual_seed(0)
    model = workload.model("tiny")
    optimizer = workload.trainer(model)
    losses = []
    for _, tensors in zip(range(steps), batches(workload), strict=False):
        loss = workload.loss(model(tensors), tensors)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.isfinite(losses).all()
    assert np.mean(losses[-8:]) < 0.9 * np.mean(losses[:4])
    model.eval()
    assert all(answer.detach().std(dim=0).mean() > 0.001 for answer in answers(model(tensors)))


@pytest.mark.parametrize(("workload", "steps"), TASKS, ids=of_task)
def test_there_is_an_answer_for_each_sample(workload: Workload, steps: int) -> None:
    del steps
    model, tensors = workload.model("tiny"), next(batches(workload))
    rows = len(next(iter(tensors.values())))
    found = answers(model(tensors))
    assert all(answer.shape[0] == rows and answer.dtype == torch.float32 for answer in found)
    wanted: dict[str, set[tuple[int, ...]]] = {
        "boardmoves": {(1_496,), ()},
        "daywindows": {(4, 5)},
        "fxseq": {(36,), (3,), ()},
    }
    assert {tuple(answer.shape[1:]) for answer in found} <= wanted[workload.name]
    loss = workload.loss(model(tensors), tensors)
    assert loss.shape == ()
    assert 0 < loss.item() < 20


@pytest.mark.parametrize(("workload", "parameters"), PARAMETERS, ids=of_task)
def test_full_board_networks_have_the_size_of_the_source_systems(workload: Workload, parameters: float) -> None:
    with torch.device("meta"):
        model = workload.model("full")
    assert sum(parameter.numel() for parameter in model.parameters()) == pytest.approx(parameters, rel=0.01)


@pytest.mark.parametrize("size", ["tiny", "small"])
@pytest.mark.parametrize("net", ["vit", "resnet"])
def test_frozen_layers_get_no_gradient_and_do_not_move(net: str, size: str) -> None:
    learning = {}
    for trainable in ("all", "last_two", "head"):
        workload = BoardMoves(net=net, trainable=trainable)
        model, tensors = workload.model(size), next(batches(workload))
        optimizer = workload.trainer(model)
        before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
        workload.loss(model(tensors), tensors).backward()
        optimizer.step()
        moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
        assert moved == {name for name, p in model.named_parameters() if p.requires_grad}
        learning[trainable] = moved
    assert learning["head"] == {"heads.linear.legal.weight", "heads.linear.legal.bias"}
    assert learning["head"] < learning["last_two"] < learning["all"]


def test_looped_and_batched_selection_are_the_same_mathematics() -> None:
    torch.manual_seed(0)
    nets = [GatedResidual(1, 6) for _ in range(9)]
    looped, batched = LoopedFeatures(nets), BatchedFeatures(nets)
    inputs = torch.randn(11, 9, requires_grad=True)
    weights = torch.rand(11, 9)
    one, other = looped(inputs, weights), batched(inputs, weights)
    assert torch.allclose(one, other, atol=1e-5)
    slope, other_slope = (torch.autograd.grad(output.square().sum(), inputs)[0] for output in (one, other))
    assert torch.allclose(slope, other_slope, atol=1e-4)
    for output in (form(inputs, weights) for form in (looped, batched)):
        output.square().sum().backward()
    for name, parameter in nets[4].named_parameters():
        stacked = batched.get_parameter(name.replace(".", "_")).grad
        assert parameter.grad is not None
        assert stacked is not None
        assert torch.allclose(parameter.grad, stacked[4], atol=1e-4), name


def test_neighbours_are_those_that_move_together() -> None:
    torch.manual_seed(0)
    common = torch.randn(3, 1, 40)
    series = (common + 0.1 * torch.randn(3, 5, 40)).flatten(0, 1)
    graph = neighbours(series, 5)
    assert [sorted(near) for near in graph.tolist()] == [
        list(range(row // 5 * 5, row // 5 * 5 + 5)) for row in range(15)
    ]
    assert graph[:, 0].tolist() == list(range(15))


def test_in_a_small_day_a_stock_is_its_own_further_neighbour() -> None:
    graph = neighbours(torch.randn(3, 8), 6)
    assert graph.shape == (3, 6)
    assert graph[:, 3:].tolist() == [[row] * 3 for row in range(3)]
    assert all(set(near) == {0, 1, 2} for near in graph[:, :3].tolist())


def test_targets_that_are_nan_count_for_nothing() -> None:
    known, holed = torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, NAN]])
    guess = torch.tensor([[0.5, -7.0]], requires_grad=True)
    assert masked_huber(guess, holed).item() == masked_huber(guess[:, :1], known[:, :1]).item()
    quantiles = guess[..., None].expand(1, 2, 5)
    assert pinball(quantiles, holed).item() == pytest.approx(pinball(quantiles[:, :1], known[:, :1]).item())
    policy = {"policy": torch.zeros(1, 4), "value": torch.zeros(1)}
    played = torch.tensor([[0, 1.0, 0, 0]])
    value: Any = torch.tensor([NAN])
    assert board_loss(policy, {"policy": played, "value": value}).item() == pytest.approx(np.log(4))
    masked_huber(guess, holed).backward()
    assert guess.grad is not None
    assert guess.grad.isfinite().all()


def test_without_any_known_target_a_loss_is_0_and_not_nan() -> None:
    assert known_mean(torch.ones(3), torch.zeros(3, dtype=torch.bool)).item() == 0


def test_pinball_loss_is_least_at_the_quantiles() -> None:
    drawn = torch.rand(4_000, 1)
    levels = torch.linspace(0.1, 0.9, 5)
    right = pinball(levels.expand(4_000, 1, 5), drawn)
    assert right < pinball((levels + 0.1).expand(4_000, 1, 5), drawn)
    assert right < pinball((levels - 0.1).expand(4_000, 1, 5), drawn)


def test_the_loss_of_the_frames_weighs_the_size_by_a_half() -> None:
    outputs = {"direction": torch.zeros(2, 3), "magnitude": torch.zeros(2)}
    tensors = {"direction": torch.tensor([0, 2]), "magnitude": torch.tensor([0.6, 0.6])}
    assert frames_loss(outputs, tensors).item() == pytest.approx(np.log(3) + 0.5 * 0.5 * 0.36)

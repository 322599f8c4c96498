"""Trainings whose three times are known: `python train.py NAME` waits or computes for so long, and no longer.

A time is kept as a deadline that is set before the work begins, so that it holds whatever the work itself takes.
`python train.py NAME SECONDS` times them with its own clock: what a worker's start and handing over take is not set.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

BATCH = 8
Wait: TypeAlias = Callable[[float], None]
"""Comes back at a moment of `time.perf_counter`."""
Batches: TypeAlias = "DataLoader[tuple[Tensor, Tensor]]"


def sleep_until(end: float) -> None:
    time.sleep(max(0.0, end - time.perf_counter()))


def spin_until(end: float) -> None:
    while time.perf_counter() < end:
        pass


@dataclass(frozen=True)
class Training:
    """Milliseconds of a batch of eight samples; a smaller one takes as much less."""

    full_ms: float
    """T_F, T_S and T_L follow from all below; a batch of mean size."""
    step_alone_ms: float
    loader_alone_ms: float
    fetch_ms: float
    step_ms: float
    fetch: Wait = sleep_until
    step: Wait = sleep_until
    workers: int = 0
    samples: int = 20 * BATCH
    worker_begin_ms: float = 0.0
    """What each worker takes when it begins."""
    update_every: int = 1
    update_ms: float = 0.0
    """What a step of the optimizer takes beside that of the batch."""
    validate_every: int = 0
    """Batches after which three of another loader are looked at."""


# Long enough for what a loader takes of its own, up to 1 ms a batch on a slow machine, to be little beside it.
TRAININGS: Mapping[str, Training] = {
    "loader_bound": Training(60, 12, 60, fetch_ms=60, step_ms=12, step=spin_until, workers=1),
    "step_bound": Training(60, 60, 24, fetch_ms=24, step_ms=60, step=spin_until, workers=1),
    "balanced": Training(48, 48, 48, fetch_ms=48, step_ms=48, workers=1),
    "in_turns": Training(60, 20, 40, fetch_ms=40, step_ms=20, fetch=spin_until),
    # An epoch: 500 ms, ten batches of 40 ms, and the step of the last, beside which nothing is fetched.
    "begins_each_epoch": Training(
        *(92, 20, 90), fetch_ms=40, step_ms=20, workers=1, samples=10 * BATCH, worker_begin_ms=500
    ),
    "accumulated": Training(60, 30, 30, fetch_ms=30, step_ms=20, update_every=4, update_ms=40),
    # Four batches of eight and one of two: 6.8 samples in the mean.
    "ragged": Training(68, 27.2, 40.8, fetch_ms=48, step_ms=32, samples=4 * BATCH + 2),
    "validated": Training(60, 24, 36, fetch_ms=36, step_ms=24, validate_every=12),
}


class Timed(Dataset[tuple[Tensor, Tensor]]):
    """Samples that take their time."""

    def __init__(self, training: Training) -> None:
        self.training = training

    def __len__(self) -> int:
        return self.training.samples

    def __getitems__(self, indices: list[int]) -> list[tuple[Tensor, Tensor]]:
        end = time.perf_counter() + self.training.fetch_ms / 1000 * len(indices) / BATCH
        samples = [(torch.full((8,), float(index)), torch.tensor(1.0)) for index in indices]
        self.training.fetch(end)
        return samples

    def begin_worker(self, number: int) -> None:
        time.sleep(self.training.worker_begin_ms / 1000)


class Trainer:
    """A small model, and what has been done with it."""

    def __init__(self, training: Training) -> None:
        self.training, self.count = training, 0
        self.model = nn.Linear(8, 1)
        self.optimizer = torch.optim.SGD(self.model.parameters(), 1e-9)

    def step(self, inputs: Tensor, targets: Tensor) -> None:
        self.count += 1
        updates = self.count % self.training.update_every == 0
        takes_ms = self.training.step_ms * len(inputs) / BATCH + self.training.update_ms * updates
        end = time.perf_counter() + takes_ms / 1000
        (self.model(inputs)[:, 0] - targets).pow(2).mean().backward()
        if updates:
            self.optimizer.step()
            self.optimizer.zero_grad()
        self.training.step(end)

    def validate(self, validation: Batches) -> None:
        every = self.training.validate_every
        if every and self.count % every == 0:
            with torch.no_grad():
                sum(self.model(inputs).sum() for inputs, _ in validation)


def main(training: Training) -> None:
    """Train until somebody ends it."""
    torch.set_num_threads(1)
    trainer, data = Trainer(training), Timed(training)
    loader = loader_of(data)
    validation = DataLoader(data, BATCH, sampler=range(3 * BATCH))
    while True:
        for inputs, targets in loader:
            trainer.step(inputs, targets)
            trainer.validate(validation)


def loader_of(data: Timed) -> Batches:
    workers = data.training.workers
    return DataLoader(data, BATCH, shuffle=True, num_workers=workers, worker_init_fn=data.begin_worker)


def clocked_ms(training: Training, seconds: float) -> tuple[float, float, float]:
    """T_F, T_S and T_L of a batch by this clock, each over whole epochs, some `seconds` long, there and back."""
    torch.set_num_threads(1)
    trainer, loader = Trainer(training), loader_of(Timed(training))
    kept = list(loader)
    epochs = max(1, round(seconds / 2 / len(kept) / training.full_ms * 1000))
    taken_s = dict.fromkeys("FSL", 0.0)
    for kind in "FSLLSF":
        batches: Iterable[list[Tensor]] = kept if kind == "S" else loader
        start = time.perf_counter()
        for _ in range(epochs):
            for inputs, targets in batches:
                if kind != "L":
                    trainer.step(inputs, targets)
        taken_s[kind] += time.perf_counter() - start
    full, step, alone = (s / (2 * epochs * len(kept)) * 1000 for s in taken_s.values())
    return full, step, alone


if __name__ == "__main__":
    name, *clock = sys.argv[1:]
    if clock:
        print(json.dumps(clocked_ms(TRAININGS[name], float(clock[0]))))
    else:
        main(TRAININGS[name])

"""Run a training of known times with its steps marked for the tracer traceml-ai; `known_times.py --tracer` asks for it.

`traced_known.py SECONDS NAME`: the training ends by itself after so many seconds.
"""

from __future__ import annotations

import sys
import time

import traceml_ai
from torch import Tensor

from tests.cases.known import train


class Traced(train.Trainer):
    """Every step in the tracer's block."""

    def __init__(self, training: train.Training) -> None:
        super().__init__(training)
        self.end = time.monotonic() + float(sys.argv[1])

    def step(self, inputs: Tensor, targets: Tensor) -> None:
        if time.monotonic() > self.end:
            sys.exit()
        with traceml_ai.trace_step(self.model):
            super().step(inputs, targets)


if __name__ == "__main__":
    traceml_ai.init(mode="auto")
    train.Trainer = Traced  # type: ignore[misc]
    train.main(train.TRAININGS[sys.argv[2]])

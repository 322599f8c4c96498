"""Run one training of examples/cases with its steps marked for the tracer traceml-ai; `cases.py --tracer` asks for it.

`traced_case.py SECONDS CASE.py [--cured]`: the training ends by itself after so many seconds.
"""

from __future__ import annotations

import runpy
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import traceml_ai
import training
from torch import Tensor, nn, optim, set_num_threads


def train_traced(loader: Iterable[Any], work: training.Work = training.nothing, passes: int = 1_000_000) -> None:
    """Train as `training.train` does, every step in the tracer's block."""
    set_num_threads(1)
    end, model = time.monotonic() + float(sys.argv[1]), nn.Linear(1, 1)
    optimizer = optim.SGD(model.parameters(), 1e-9)
    for _ in range(passes):
        for batch in loader:
            with traceml_ai.trace_step(model):
                inputs = batch if isinstance(batch, Tensor) else batch[0]
                work(inputs)
                optimizer.zero_grad()
                model(inputs.reshape(len(inputs), -1)[:, :1].float()).pow(2).mean().backward()
                optimizer.step()
            if time.monotonic() > end:
                return


if __name__ == "__main__":
    traceml_ai.init(mode="auto")
    training.train = train_traced
    runpy.run_path(str(Path(sys.argv[2])), run_name="__main__")

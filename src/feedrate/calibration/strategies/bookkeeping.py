"""Train, and keep books of it besides: number by number in Python, or at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from feedrate.calibration.strategies.fixed_cost import Timed
from feedrate.plugin.step import Step
from feedrate.plugin.strategy import knob
from feedrate.system.stopwatch import now_s

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from feedrate.loading.batch import Batch
    from feedrate.plugin.step import Loss, Update

__all__ = ["Bookkeeping"]

_SCORES, _SCALARS, _PIECES = 200_000, 800, 1_600
"""Numbers of a metric, of a log, and tensors that are counted up: each keeps a processor busy for many milliseconds."""


@dataclass(frozen=True)
class Bookkeeping(Step):
    """Train in fp32 with a few milliseconds of matrix products, and keep one kind of books at each update."""

    name = "bookkeeping"
    hidden = True
    books: str = knob("bar", "metric", "scalars", "counters")
    """A progress bar; a metric over many scores; a log of many scalars; counters that go up."""
    frugal: bool = knob(False, True)
    """The bar once a second; all scores in one operation; all scalars read at once; all counters in one tensor."""
    work_us: int = knob(2_000, low=0, high=10_000_000)
    """Matrix products of each update."""

    def bind(self, model: torch.nn.Module, loss: Loss, optimizer: torch.optim.Optimizer) -> Update:
        train = Timed(work_us=self.work_us).bind(model, loss, optimizer)
        makers: dict[str, Callable[[bool], Callable[[], object]]] = {
            "bar": _bar, "metric": _metric, "scalars": _scalars, "counters": _counters,
        }  # fmt: skip
        keep = makers[self.books](self.frugal)

        def update(batch: Batch) -> Tensor:
            loss_value = train(batch)
            keep()
            return loss_value

        return update


def _bar(frugal: bool) -> Callable[[], object]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TimeElapsedColumn

    # Drawn for nobody: a bar costs the same wherever it is shown.
    nowhere = Console(file=Path(os.devnull).open("w"), force_terminal=True, width=100)  # noqa: SIM115
    columns = (SpinnerColumn(), "{task.description}", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bar = Progress(*columns, console=nowhere, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
    tasks = [
        bar.add_task(name, total=1_000_000)
        for name in ("epochs", "batches", *(f"metric {number}" for number in range(14)))
    ]
    bar.start()
    drawn_s = [now_s()]

    def draw() -> None:
        for task in tasks:
            bar.advance(task)
        if not frugal or now_s() > drawn_s[0] + 1:
            drawn_s[0] = now_s()
            bar.refresh()

    return draw


def _metric(frugal: bool) -> Callable[[], object]:
    import torch

    scores = torch.linspace(0, 1, _SCORES)
    if frugal:
        return lambda: float((scores > 0.5).sum())
    return lambda: sum(score > 0.5 for score in scores.tolist())


def _scalars(frugal: bool) -> Callable[[], object]:
    import torch

    values = torch.linspace(0, 1, _SCALARS)
    if frugal:
        return values.tolist
    return lambda: [values[place].item() for place in range(_SCALARS)]


def _counters(frugal: bool) -> Callable[[], object]:
    import torch

    counters = [torch.zeros(_PIECES)] if frugal else [torch.zeros(1) for _ in range(_PIECES)]

    def count() -> None:
        for counter in counters:
            counter.add_(1)

    return count

"""`feedrate check --train`: whether what a model learns in a short training holds for samples that it has not met."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

from feedrate.cli.context import CommandContext
from feedrate.cli.options import positive
from feedrate.errors import ContractError, UsageError
from feedrate.plugin.loader import Loader
from feedrate.plugin.step import Step
from feedrate.plugin.workload import SIZES, Workload
from feedrate.records.codec import encoded
from feedrate.report.learning_curve import curve_line
from feedrate.system.scratch import Scratch, sweep

if TYPE_CHECKING:
    from feedrate.contract import Fixture

__all__ = ["Strategic", "demand_trainable", "fixture_of", "is_trainable", "training_arguments", "training_verdict"]

Strategic: TypeAlias = Loader | Step | Workload
"""What can be held to promises."""
_QUESTION = "learns what holds for samples that it has not met"


def training_arguments(parser: ArgumentParser) -> None:
    """Add `--train N` and its size."""
    parser.add_argument(
        "--train",
        type=positive(int),
        metavar="N",
        help="also make N updates, and tell by batches that are held out whether the curve is degenerate, without"
        " information, overfitting or healthy",
    )
    parser.add_argument(
        "--size", metavar="SIZE", help=f"of the data of --train: {', '.join(SIZES)}; small unless given"
    )


def is_trainable(strategy: Strategic) -> bool:
    """Whether a strategy is a workload with a model, or a step that trains."""
    return strategy.has_model if isinstance(strategy, Workload) else isinstance(strategy, Step) and strategy.trains


def demand_trainable(strategies: Iterable[Strategic], options: Namespace) -> None:
    """Refuse options of a training where nothing trains.

    Raises:
        UsageError: there is nothing to train, or no training was asked for.
    """
    if options.size and not options.train:
        raise UsageError("--size says on how much data `--train N` trains; promises are asked on tiny data sets")
    if options.train and not any(map(is_trainable, strategies)):
        raise UsageError("--train needs a workload that has a model, or a step that trains")


@contextmanager
def fixture_of(workload: Workload, size: str = "tiny") -> Iterator[Fixture]:
    """Two epochs over a data set of its own, so that promises may damage it."""
    from feedrate.contract import written

    sweep()
    with Scratch.made() as scratch:
        yield written(workload, scratch.folder, size)


@contextmanager
def _rows_of(workload: Workload, size: str) -> Iterator[Fixture]:
    """The same without a file where the generator gives the rows, or files are somebody's own."""
    from feedrate.contract import unwritten

    if workload.has_columns or not workload.is_generated:
        yield unwritten(workload, size)
        return
    with fixture_of(workload, size) as fixture:
        yield fixture


def training_verdict(
    strategy: Strategic, workload: Workload, options: Namespace, shell: CommandContext
) -> Iterator[dict[str, object]]:
    """Train a new model of the workload, by the strategy if it is a step, and yield the shape of its curve."""
    from feedrate.contract import learning_curve

    with _rows_of(workload, options.size or "small") as fixture:
        if not options.json:
            shell.out.print(f"{strategy}, on {fixture.recipe.folder_name}", style="bold", soft_wrap=True)
        verdict: dict[str, object] = {"strategy": str(strategy), "promise": _QUESTION}
        try:
            curve = learning_curve(fixture, strategy if isinstance(strategy, Step) else None, options.train)
            text, is_healthy = curve_line(curve), curve.shape == "healthy"
            verdict["curve"] = {"shape": curve.shape, **encoded(curve)}
        except ContractError as error:
            text, is_healthy = str(error), False
    if not options.json:
        mark = "kept   " if is_healthy else "BROKEN "
        shell.out.print(f"  {mark} {_QUESTION}: {text}", style=None if is_healthy else "red", soft_wrap=True)
    yield verdict | {"broken": "" if is_healthy else text}

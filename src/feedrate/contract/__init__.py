"""What strategies promise, as functions that raise `ContractError`; shipped, so that plugins' tests use them.

A plugin's whole test file::

    @pytest.mark.parametrize("promise", LOADER_PROMISES)
    def test_my_loader_keeps(promise, tmp_path):
        promise(MyLoader(), written(FxSeq(), tmp_path))

Every promise takes a strategy and a `Trial`; that of a workload needs no files: `unwritten(workload)`. Promises given
the same trial share one stream of the loader, or one training run, so keep the trial where there are several.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias, TypeVar

from feedrate.contract.cleanup import ends_when_closed, ends_when_the_consumer_fails, leaves_nothing_behind
from feedrate.contract.contents import leaves_batches_to_their_owner, serves_the_generated_values
from feedrate.contract.corrupt_files import names_a_corrupt_file, names_a_missing_file, names_a_truncated_file
from feedrate.contract.fixture import Trial, written
from feedrate.contract.reference import GeneratorSource, Reference, check_batch, expected_batches
from feedrate.contract.repeatability import streams_again, streams_in_a_spawned_process
from feedrate.contract.rows import cuts_the_planned_batches, keeps_the_planned_order, serves_each_row_once
from feedrate.contract.steps import (
    learns_like_plain_training,
    leaves_the_batch_alone,
    moves_the_parameters,
    returns_a_loss,
)
from feedrate.contract.swapping import swaps_its_source
from feedrate.contract.workloads import (
    cuts_every_sample,
    learns_what_it_asks,
    makes_the_declared_columns,
    makes_the_same_rows_in_pieces,
    plans_each_sample_once,
    predicts_different_things,
    unwritten,
)
from feedrate.errors import ContractError
from feedrate.plugin.loader import Loader
from feedrate.plugin.step import Step
from feedrate.plugin.workload import Workload

__all__ = [
    "LOADER_PROMISES",
    "STEP_PROMISES",
    "WORKLOAD_PROMISES",
    "GeneratorSource",
    "LoaderPromise",
    "Reference",
    "StepPromise",
    "Trial",
    "WorkloadPromise",
    "check",
    "check_batch",
    "expected_batches",
    "title",
    "unwritten",
    "written",
]

S = TypeVar("S", Loader, Step, Workload)
LoaderPromise: TypeAlias = Callable[[Loader, Trial], None]
StepPromise: TypeAlias = Callable[[Step, Trial], None]
WorkloadPromise: TypeAlias = Callable[[Workload, Trial], None]

LOADER_PROMISES: tuple[LoaderPromise, ...] = (
    serves_each_row_once,
    keeps_the_planned_order,
    cuts_the_planned_batches,
    serves_the_generated_values,
    leaves_batches_to_their_owner,
    streams_again,
    streams_in_a_spawned_process,
    leaves_nothing_behind,
    ends_when_closed,
    ends_when_the_consumer_fails,
    names_a_missing_file,
    names_a_truncated_file,
    names_a_corrupt_file,
    swaps_its_source,
)
"""Each raises ContractError; of a loader whose `synthetic` is true nothing is asked about rows, order and files, and of
one without `swap_points` nothing about other sources."""

STEP_PROMISES: tuple[StepPromise, ...] = (
    returns_a_loss,
    moves_the_parameters,
    learns_like_plain_training,
    leaves_the_batch_alone,
)
"""Each raises ContractError; a step whose `trains` is false keeps all but the last by being exempt."""

WORKLOAD_PROMISES: tuple[WorkloadPromise, ...] = (
    makes_the_declared_columns,
    makes_the_same_rows_in_pieces,
    plans_each_sample_once,
    cuts_every_sample,
    learns_what_it_asks,
    predicts_different_things,
)
"""Each raises ContractError; the trial is one of the workload itself."""


def title(promise: Callable[..., None]) -> str:
    """The promise in words, such as `serves each row once`."""
    return promise.__name__.replace("_", " ")


def check(strategy: Loader | Step | Workload, trial: Trial) -> Iterator[tuple[str, ContractError | None]]:
    """Yield each promise of a strategy, in words, with how it was broken, or None.

    Raises:
        UnavailableError: the strategy cannot run here.
    """
    if isinstance(strategy, Loader):
        yield from _checked(LOADER_PROMISES, strategy, trial)
    elif isinstance(strategy, Step):
        yield from _checked(STEP_PROMISES, strategy, trial)
    else:
        yield from _checked(WORKLOAD_PROMISES, strategy, trial)


def _checked(
    promises: tuple[Callable[[S, Trial], None], ...], strategy: S, trial: Trial
) -> Iterator[tuple[str, ContractError | None]]:
    for promise in promises:
        yield title(promise), _broken(promise, strategy, trial)


def _broken(promise: Callable[[S, Trial], None], strategy: S, trial: Trial) -> ContractError | None:
    try:
        promise(strategy, trial)
    except ContractError as error:
        return error
    return None
